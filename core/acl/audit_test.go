package acl

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/telemetry"
)

func TestAudit_WhatIsRefusedIsCountedAndLoggedAndWhatIsLeftOutIsNot(t *testing.T) {
	w := newWorld(t)
	acls := w.live()
	w.create(acls, allow("alice", "mine", auth.OperationRead))
	var log bytes.Buffer
	var counted []string
	a := &Audit{Authorizer: acls, FrontEnd: "kafka", Log: telemetry.NewLogger(&log, "info"), Denied: func(resource, operation, frontEnd string) {
		counted = append(counted, resource+" "+operation+" "+frontEnd)
	}}
	ctx := auth.WithIdentity(t.Context(), &auth.Identity{Principal: auth.User("alice"), Host: "10.0.0.7"})
	topic := func(name string) auth.Resource { return auth.Resource{Type: auth.ResourceTopic, Name: name} }
	if !auth.Ask(ctx, a, auth.OperationRead, topic("mine")) || auth.Ask(ctx, a, auth.OperationWrite, topic("theirs")) || auth.Ask(auth.Aside(ctx), a, auth.OperationDescribe, topic("hidden")) ||
		auth.AskSome(ctx, a, auth.OperationWrite, auth.ResourceTopic) {
		t.Error("the answers are others than without an audit")
	}
	if !slices.Equal(counted, []string{"TOPIC WRITE kafka"}) {
		t.Errorf("counted %q", counted)
	}
	for _, want := range []string{`msg="not allowed"`, "front_end=kafka", "principal=User:alice", "host=10.0.0.7", "operation=WRITE", "resource=TOPIC", "name=theirs"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "hidden") || strings.Contains(log.String(), "mine") {
		t.Errorf("the log tells of what was not refused: %s", log.String())
	}
	for n := range 10_000 {
		auth.Ask(ctx, a, auth.OperationWrite, topic(fmt.Sprint(n, "\xff", strings.Repeat("x", 10_000))))
	}
	if len(counted) != 10_001 || log.Len() > 100_000 {
		t.Errorf("%d counted, and the log has %d bytes", len(counted), log.Len())
	}
}

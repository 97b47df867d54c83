package wire

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/record"
)

// Every key that is served, in every version, asked by somebody who may do nothing: what is learnt of a thing that is there is what is learnt of
// one that is not, and nothing changes.

func isDenial(code int16) bool {
	return slices.Contains([]int16{kerr.TopicAuthorizationFailed.Code, kerr.GroupAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code, kerr.TransactionalIDAuthorizationFailed.Code}, code)
}

// open are the keys that answer everybody: with versions and brokers, or with lists in which nothing is left (DescribeLogDirs has no place for
// an error before version 3).
func open() []kmsg.Key {
	return []kmsg.Key{kmsg.ApiVersions, kmsg.DescribeCluster, kmsg.ListGroups, kmsg.ListTransactions, kmsg.DescribeLogDirs}
}

// walk calls for each key and version that can be asked for after a client has come in.
func (v *vault) walk(do func(a *api, version int16)) {
	for _, a := range v.apis {
		if a.key == kmsg.SASLHandshake || a.key == kmsg.SASLAuthenticate {
			continue
		}
		for version := a.min; version <= a.max; version++ {
			do(a, version)
		}
	}
}

// fillings are requests about a thing, by name and by id.
func fillings(name string, id record.TopicID) (out []filling) {
	for _, kind := range []int8{0, 1, 2, 3, 4, 32} {
		out = append(out, filling{name: name, kind: kind}, filling{name: name, id: id, kind: kind})
	}
	return out
}

func TestWalk_WhoMayDoNothingLearnsNothingAndChangesNothing(t *testing.T) {
	v := newVault(t)
	before := v.state(t)
	elsewhere := record.TopicID{0: 'n', 1: 'o', 15: 1}
	v.walk(func(a *api, version int16) {
		there, absent := fillings(secret, v.topic.ID), fillings(nothing, elsewhere)
		for i := range there {
			v.denied.Store(0)
			resp, got := v.answer(t, there[i], a.key.Int16(), version)
			told := v.denied.Load()
			_, want := v.answer(t, absent[i], a.key.Int16(), version)
			if got != want {
				t.Errorf("%s v%d %+v: what is there is answered\n%q, what is not\n%q", a.name(), version, there[i], got, want)
			}
			codes := codesIn(reflect.ValueOf(resp))
			silent := !slices.ContainsFunc(codes, func(code int16) bool { return code != 0 }) && a.key != kmsg.DescribeLogDirs
			if silent && told > 0 || slices.ContainsFunc(codes, isDenial) && told == 0 {
				t.Errorf("%s v%d %+v: codes %v, and %d refusals are told of", a.name(), version, there[i], codes, told)
			}
			if !slices.Contains(open(), a.key) && !slices.ContainsFunc(codes, refuses) {
				t.Errorf("%s v%d %+v: codes %v, none of which refuses", a.name(), version, there[i], codes)
			}
		}
		_, all := v.answer(t, filling{all: true}, a.key.Int16(), version)
		if strings.Contains(all, secret) || strings.Contains(all, string(v.topic.ID[:])) {
			t.Errorf("%s v%d, asked for all, says %q", a.name(), version, all)
		}
		if after := v.state(t); after != before {
			t.Fatalf("%s v%d changed\n%s to\n%s", a.name(), version, before, after)
		}
	})
}

// refuses are denials, and what is said to requests that nobody may send in that form.
func refuses(code int16) bool {
	return isDenial(code) || slices.Contains([]int16{
		kerr.UnknownTopicID.Code, kerr.InvalidRequest.Code, kerr.UnsupportedVersion.Code, kerr.UnsupportedForMessageFormat.Code, kerr.UnsupportedEndpointType.Code,
		kerr.InvalidTopicException.Code, // an id where the version has names
	}, code)
}

func TestWalk_WhatItsRowSaysIsEnoughForEachRequest(t *testing.T) {
	served := newVault(t).apis
	for key, a := range served {
		if a.key == kmsg.SASLHandshake || a.key == kmsg.SASLAuthenticate {
			continue
		}
		v := newVault(t)
		for _, n := range a.needs {
			if n.op != checked {
				v.grantNeed(t, n)
			}
		}
		for _, f := range fillings(secret, v.topic.ID)[:10] { // without groups' configs, whose rights are the group's
			resp, _ := v.answer(t, f, key, a.max)
			if codes := codesIn(reflect.ValueOf(resp)); slices.ContainsFunc(codes, isDenial) {
				t.Errorf("%s v%d %+v: codes %v with all that %v asks for", a.name(), a.max, f, codes, a.needs)
			}
		}
	}
}

func TestWalk_WithoutOneOfItsNeedsARequestIsRefused(t *testing.T) {
	for key, a := range newVault(t).apis {
		if slices.Contains([]kmsg.Key{kmsg.Metadata, kmsg.CreateTopics, kmsg.InitProducerID, kmsg.WriteTxnMarkers, kmsg.ListGroups, kmsg.ListTransactions, kmsg.DescribeCluster, kmsg.FindCoordinator,
			kmsg.DescribeConfigs, kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs, kmsg.DescribeTransactions, kmsg.ConsumerGroupDescribe}, a.key) {
			continue // one of several is enough, or what is missing is left out
		}
		for _, without := range a.needs {
			if without.op == checked {
				continue
			}
			v := newVault(t)
			for _, n := range a.needs {
				if n != without && n.op != checked {
					v.grantNeed(t, n)
				}
			}
			denied := false
			for _, f := range fillings(secret, v.topic.ID) {
				resp, _ := v.answer(t, f, key, a.max)
				codes := codesIn(reflect.ValueOf(resp))
				denied = denied || slices.ContainsFunc(codes, isDenial) || slices.Contains(codes, kerr.UnknownTopicID.Code)
			}
			if !denied {
				t.Errorf("%s v%d is served without %v", a.name(), a.max, without)
			}
		}
	}
}

func TestNeeds_EveryKeyThatIsServedHasARowAndNoOtherHas(t *testing.T) {
	s := newBench(t)
	rows := needs()
	for _, a := range s.apis {
		if rows[a.key] == nil {
			t.Errorf("%s is served, and no row of needs says who may send it", a.name())
		}
	}
	for key := range rows {
		if s.apis[key.Int16()] == nil {
			t.Errorf("%s has a row, and is not served", key.Name())
		}
	}
}

func TestNeeds_AKeyWithoutARowIsNotServed(t *testing.T) {
	b := newBench(t)
	b.apis[kmsg.ListGroups.Int16()].needs = nil
	c := b.dial(t)
	c.send(kmsg.NewPtrListGroupsRequest())
	c.closed()
}

func TestNeeds_WhatARowDoesNotHaveIsRefusedToEverybody(t *testing.T) {
	b := newBench(t)
	c := &caller{conn: newConn(b.Server, &deadConn{}, ""), api: b.apis[kmsg.Fetch.Int16()]}
	if c.may(t.Context(), auth.ResourceTopic, "t") != nil || c.may(t.Context(), auth.ResourceGroup, "g") == nil || c.mayAlso(t.Context(), auth.OperationWrite, auth.ResourceTopic, "t") == nil {
		t.Error("want what the row has, and nothing else")
	}
}

//go:build stack

package ui

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/tests/apachekafka"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// onPurpose is what firnlog says otherwise than Kafka, and why.
var onPurpose = map[string]struct{ pattern, why string }{
	"describeReplicaLogDirs":         {`^/objectstore null$`, "there are no folders, but one store"},
	"alterReplicaLogDirs":            {`^UnsupportedVersionException$`, "there are no folders to move between"},
	"describeMetadataQuorum":         {`^UnsupportedVersionException$`, "etcd is the quorum, and has tools of its own"},
	"addRaftVoter":                   {`^UnsupportedVersionException$`, "the same"},
	"describeConfigs:cluster":        {`^0$`, "settings of instances are flags; nothing is set for all"},
	"describeConfigs:logger":         {`^INFO `, "one logger, at another level than Kafka's here"},
	"describeConfigs:metrics":        {`^InvalidRequestException$`, "no metrics are taken from clients"},
	"incrementalAlterConfigs:broker": {`^InvalidRequestException$`, "settings of instances are flags"},
	"incrementalAlterConfigs:group":  {`^InvalidRequestException$`, "groups have no configs of their own"},
	"listOffsets:latest tiered":      {`^24$`, "all that is there is in the object store"},
	"describeShareGroups":            {`^UnsupportedVersionException$`, "no share groups"},
	"listShareGroupOffsets":          {`^UnsupportedVersionException$`, "no share groups"},
	"alterShareGroupOffsets":         {`^UnsupportedVersionException$`, "no share groups"},
	"deleteShareGroupOffsets":        {`^UnsupportedVersionException$`, "no share groups"},
	"deleteShareGroups":              {`^GroupIdNotFoundException$`, "no share groups; DeleteGroups says that there is none"},
	"describeStreamsGroups":          {`^UnsupportedVersionException$`, "no groups of the streams protocol"},
	"createDelegationToken":          {`^UnsupportedVersionException$`, "no delegation tokens"},
	"describeDelegationToken":        {`^UnsupportedVersionException$`, "no delegation tokens"},
	"renewDelegationToken":           {`^UnsupportedVersionException$`, "no delegation tokens"},
	"expireDelegationToken":          {`^UnsupportedVersionException$`, "no delegation tokens"},
	// As with Kafka, once it is there.
	"describeAcls":                 {`^(UnsupportedVersionException|SecurityDisabledException)$`, "without ACLs"},
	"createAcls":                   {`^(UnsupportedVersionException|SecurityDisabledException)$`, "without ACLs"},
	"deleteAcls":                   {`^(UnsupportedVersionException|SecurityDisabledException)$`, "without ACLs"},
	"describeClientQuotas":         {`^(UnsupportedVersionException|0)$`, "without quotas"},
	"alterClientQuotas":            {`^(UnsupportedVersionException|null)$`, "without quotas"},
	"describeUserScramCredentials": {`^(UnsupportedVersionException|0)$`, "without users"},
	"alterUserScramCredentials":    {`^(UnsupportedVersionException|ResourceNotFoundException)$`, "without users"},
}

// Every method of Java's Admin answers, or fails, as with Apache Kafka.
func TestAdmin_TheTourIsTheSameAsOfApacheKafka(t *testing.T) {
	kafka := tour(t, apachekafka.Start(t, "broker.rack=north").Bootstrap)
	firnlog := tour(t, harness.StartDev(t, t.TempDir(), "--node-id", "1", "--zone", "north").Kafka)
	if firnlog["not_called"] != "[]" {
		t.Errorf("methods that the tour leaves out: %s", firnlog["not_called"])
	}
	same := 0
	for step, want := range kafka {
		got, there := firnlog[step]
		differs, known := onPurpose[step]
		switch {
		case !there:
			t.Errorf("%s: the tour did not get there", step)
		case known && !regexp.MustCompile(differs.pattern).MatchString(got):
			t.Errorf("%s = %s, want %s (%s)", step, got, differs.pattern, differs.why)
		case !known && got != want:
			t.Errorf("%s = %s, with Kafka %s", step, got, want)
		case !known:
			same++
		}
	}
	t.Logf("%d steps are as with Kafka, %d differ on purpose", same, len(onPurpose))
}

// tour gives what each step printed. A name may hold "=" no more than once.
func tour(t *testing.T, bootstrap string) map[string]string {
	t.Helper()
	program, err := filepath.Abs("AdminTour.java")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(apachekafka.Run(t, nil, program, bootstrap, "1").Must(t)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			out[name] = value
		}
	}
	if len(out) < 100 {
		t.Fatalf("only %d steps: %v", len(out), out)
	}
	return out
}

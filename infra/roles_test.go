package infra_test

import (
	"slices"
	"strings"
	"testing"
)

// bucketActions are what the policies call the requests of a Store (s3:ListBucket has the bucket as its resource).
var bucketActions = map[string]string{"put": "s3:PutObject", "get": "s3:GetObject", "delete": "s3:DeleteObject"}

// madeOf says whose work a role does beside its own, if nothing was recorded under its own name: brokers do all, and what delivers reads as
// a consumer and writes dead letters as a producer.
var madeOf = map[string][]string{
	"Producer": {"producer"}, "Consumer": {"consumer"}, "Admin": {"admin"}, "Maintenance": {"maintenance"},
	"Deliver": {"consumer", "producer"}, "Broker": {"consumer", "producer", "admin", "maintenance"},
}

const bucketARN = "arn:aws:s3:::records"

func roles(t *testing.T) *template {
	t.Helper()
	return load(t, "roles.yaml", object{
		"Prefix": "firnlog", "BucketArn": bucketARN, "QueueArn": "arn:aws:sqs:::q", "StreamArn": "arn:aws:kinesis:::s", "DeadLettersArn": "arn:aws:sqs:::dead",
		"TargetFunctionArn": "arn:aws:lambda:::target", "WithBrokers": "true",
	})
}

// policyOf is all that a role may do: its own policy and the shared one.
func policyOf(t *testing.T, roles *template, role string) []statement {
	t.Helper()
	var out []statement
	properties := roles.resolve(roles.get("Resources", role, "Properties")).(object)
	for _, p := range properties["Policies"].([]any) {
		out = append(out, statements(t, p.(object)["PolicyDocument"])...)
	}
	return out
}

func TestPolicies_AreWhatTheCodeNeeds(t *testing.T) {
	r := recorded(t)
	for _, role := range []string{"producer", "consumer", "admin", "maintenance"} {
		for _, op := range []string{"put", "get", "delete", "list"} {
			t.Logf("%-12s %-7s %v", role, op, r.of(role, op))
		}
	}
	t.Run("roles", func(t *testing.T) { rolesAllowWhatIsDone(t, r) })
	t.Run("bucket", func(t *testing.T) { bucketTakesCreationAlone(t, r) })
}

// Least privilege, both ways: what a role's code asks for is allowed, and what it never asks for is not.
func rolesAllowWhatIsDone(t *testing.T, r *recording) {
	all := roles(t)
	for role, parts := range madeOf {
		policy := policyOf(t, all, role)
		does := func(op, prefix string) bool {
			return slices.ContainsFunc(parts, func(part string) bool { return r.has(part, op, prefix) })
		}
		for op, action := range bucketActions {
			for _, prefix := range prefixes() {
				want := silent
				if does(op, prefix) || op == "get" && does("put", prefix) { // read back after a lost answer
					want = allowed
				}
				if got := judge(t, policy, action, bucketARN+"/"+prefix+"x/y", nil); got != want {
					t.Errorf("%s: %s of %s is %s; its code wants it %s", role, action, prefix, got, want)
				}
			}
		}
		if got := judge(t, policy, "s3:ListBucket", bucketARN, nil); got != allowed {
			t.Errorf("%s: s3:ListBucket is %s: S3 would answer 403 for objects that are not there", role, got)
		}
	}
	if n := len(r.of("maintenance", "put")); n < 6 {
		t.Errorf("the maintenance has put below %d prefixes: this run does not show what it does", n)
	}
}

// What is allowed beside the bucket, as a list to review.
func TestRoles_MayDoLittleElse(t *testing.T) {
	all := roles(t)
	want := map[string][]string{
		"Producer": {
			"kinesis:DescribeStream arn:aws:kinesis:::s", "kinesis:DescribeStreamSummary arn:aws:kinesis:::s", "kinesis:GetRecords arn:aws:kinesis:::s",
			"kinesis:GetShardIterator arn:aws:kinesis:::s", "kinesis:ListShards arn:aws:kinesis:::s", "sqs:DeleteMessage arn:aws:sqs:::q",
			"sqs:GetQueueAttributes arn:aws:sqs:::q", "sqs:ReceiveMessage arn:aws:sqs:::q", "sqs:SendMessage arn:aws:sqs:::dead",
		},
		"Consumer":    nil,
		"Admin":       nil,
		"Maintenance": {"sqs:SendMessage arn:aws:sqs:::dead"},
		"Deliver":     {"lambda:InvokeFunction arn:aws:lambda:::target", "sqs:SendMessage arn:aws:sqs:::dead"},
		"Broker":      nil,
	}
	for role := range madeOf {
		var got []string
		for _, s := range policyOf(t, all, role) {
			for _, a := range s.actions {
				for _, r := range s.resources {
					if !strings.HasPrefix(r, bucketARN) {
						got = append(got, a+" "+r)
					}
					if strings.Contains(a, wildcard) || r == wildcard {
						t.Errorf("%s: %s of %s", role, a, r)
					}
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want[role]) {
			t.Errorf("%s may %q\nwant %q", role, got, want[role])
		}
	}
}

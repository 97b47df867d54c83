//go:build stack

package stack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firnlog/firnlog/localstack/stack"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// oneCommand is firnlog stack in a folder of the test.
type oneCommand struct {
	*testing.T
	dir, functions string
}

func newOneCommand(t *testing.T) *oneCommand {
	t.Helper()
	o := &oneCommand{T: t, dir: filepath.Join(t.TempDir(), "stack")}
	for _, program := range buildFunctions(t) {
		o.functions = filepath.Dir(program)
	}
	t.Cleanup(func() {
		o.must("down")
		if left := o.processes(); len(left) > 0 {
			t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
		}
	})
	return o
}

// run runs firnlog stack to its end.
func (o *oneCommand) run(what string, args ...string) (string, error) {
	o.Helper()
	cmd := exec.Command(harness.Firnlog(o.T), append([]string{"stack", what, "--dir", o.dir}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (o *oneCommand) must(what string, args ...string) string {
	o.Helper()
	out, err := o.run(what, args...)
	if err != nil {
		o.Fatalf("stack %s: %v\n%s", what, err, out)
	}
	return out
}

func (o *oneCommand) up() *stack.State {
	o.Helper()
	tools := filepath.Dir(harness.Tool(o.T, "minio"))
	out := o.must("up", "--detach", "--functions", o.functions, "--minio", filepath.Join(tools, "minio"), "--etcd", filepath.Join(tools, "etcd"),
		"--queue-visibility", "2s", "--queue-receives", "2", "--every", "3s")
	st := &stack.State{}
	if err := json.Unmarshal([]byte(o.must("status", "--json")), st); err != nil || !st.Ready {
		o.Fatalf("status: %+v, %v", st, err)
	}
	for _, address := range append([]string{st.Summary.Queue, st.Summary.URLs["producer"], st.Summary.S3, st.Summary.Etcd}, st.Summary.Kafka...) {
		if !strings.Contains(out, address) {
			o.Errorf("up does not say %s:\n%s", address, out)
		}
	}
	return st
}

// processes are those whose command line names the stack's folder.
func (o *oneCommand) processes() (out []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range paths {
		if b, err := os.ReadFile(p); err == nil && strings.Contains(string(b), o.dir) {
			out = append(out, p+" "+strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return out
}

// reads wants these values, in any order, from Kafka and through the function that reads.
func (o *oneCommand) reads(s *stack.Summary, want ...string) {
	o.Helper()
	has := func(text string) error {
		for _, w := range want {
			if strings.Count(text, w) != 1 {
				return fmt.Errorf("%d times %q in:\n%s", strings.Count(text, w), w, text)
			}
		}
		return nil
	}
	harness.Await(o.T, time.Minute, "Kafka reads all", func() error {
		return has(harness.Kcat(o.T, nil, "-b", s.Kafka[0], "-t", "events", "-C", "-e", "-q").Output)
	})
	harness.Await(o.T, time.Minute, "the function reads all", func() error {
		out, err := o.run("invoke", "consumer", `{"version":"2.0","rawPath":"/topics/events/partitions/0/records","rawQueryString":"offset=0&timeout=200","requestContext":{"http":{"method":"GET"}}}`)
		var reply struct{ Body string }
		var records []struct{ Value []byte }
		if err = errors.Join(err, json.Unmarshal([]byte(out), &reply), json.Unmarshal([]byte(reply.Body), &records)); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		text := ""
		for _, r := range records {
			text += string(r.Value) + "\n"
		}
		return has(text)
	})
}

// One command starts everything; Kafka, functions and queue share a topic, AWS's SDK finds it all; a run that was killed leaves nothing that
// is in the way of the next one, and no record is lost; one command ends it.
func TestStack_OneCommandStartsAndEndsEverything(t *testing.T) {
	o := newOneCommand(t)
	st := o.up()
	s := st.Summary
	harness.Kcat(t, []byte("from-kafka\n"), "-b", s.Kafka[0], "-t", "events", "-P").Must(t)
	o.must("invoke", "producer", `{"topic":"events","format":"text","records":[{"value":"from-invoke"}]}`)
	o.must("send", "records", "from-queue", "--attr", "key=k")
	keys := credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, "")
	functions := lambda.New(lambda.Options{Region: s.Region, BaseEndpoint: aws.String(s.Lambda), Credentials: keys})
	invoked, err := functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("producer"), Payload: []byte(`{"topic":"events","format":"text","records":[{"value":"from-sdk"}]}`)})
	if err != nil || invoked.FunctionError != nil || !strings.Contains(string(invoked.Payload), `"offset":`) {
		t.Errorf("invoke: %+v, %v", invoked, err)
	}
	queue := sqs.New(sqs.Options{Region: s.Region, BaseEndpoint: aws.String(s.SQS), Credentials: keys})
	attribute := map[string]types.MessageAttributeValue{"topic": {DataType: aws.String("String"), StringValue: aws.String("no such topic!")}}
	if _, err := queue.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(s.Queue), MessageBody: aws.String("poison"), MessageAttributes: attribute}); err != nil {
		t.Fatal(err)
	}
	if _, err := queue.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(s.Queue), MessageBody: aws.String("beside-poison")}); err != nil {
		t.Fatal(err)
	}
	all := []string{"from-kafka", "from-invoke", "from-queue", "from-sdk", "beside-poison"}
	o.reads(s, all...)
	harness.Await(t, time.Minute, "what cannot be written is among the dead letters", func() error {
		got, err := queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.Dead), MaxNumberOfMessages: 10})
		if err != nil || len(got.Messages) != 1 || aws.ToString(got.Messages[0].Body) != "poison" {
			return fmt.Errorf("%+v, %w", got, err)
		}
		return nil
	})
	o.maintained()
	if out := o.must("up"); !strings.Contains(out, "is up already") {
		t.Errorf("up again: %s", out)
	}

	if err := syscall.Kill(st.Supervisor.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := o.run("invoke", "producer"); err == nil {
		t.Error("a killed stack was found")
	}
	again := o.up()
	if again.Summary.Kafka[0] != s.Kafka[0] || again.Summary.Queue != s.Queue || again.Supervisor.PID == st.Supervisor.PID {
		t.Errorf("after a restart: %+v, before: %+v", again.Summary, s)
	}
	o.reads(again.Summary, all...)
	o.must("down")
	if left := o.processes(); len(left) > 0 {
		t.Errorf("after down there are still:\n%s", strings.Join(left, "\n"))
	}
	if out, err := o.run("status"); err == nil {
		t.Errorf("status of a stopped stack ends well: %s", out)
	}
}

// maintained waits until the schedule has invoked the function that maintains.
func (o *oneCommand) maintained() {
	o.Helper()
	harness.Await(o.T, time.Minute, "the schedule has invoked maintenance", func() error {
		b, err := os.ReadFile(filepath.Join(o.dir, "logs", "function-maintenance.log"))
		if err == nil && len(b) == 0 {
			err = errors.New("it has said nothing")
		}
		return err
	})
}

// A process of the stack that dies is started again where it was.
func TestStack_ABrokerThatIsKilledComesBack(t *testing.T) {
	o := newOneCommand(t)
	st := o.up()
	for _, p := range st.Processes {
		if p.Name == "broker-1" {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	harness.Await(t, time.Minute, "the broker serves again", func() error {
		r := harness.Kcat(t, []byte("v\n"), "-b", st.Summary.Kafka[0], "-t", "events", "-P", "-X", "message.timeout.ms=5000")
		return r.Err
	})
}

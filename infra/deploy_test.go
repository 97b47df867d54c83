package infra_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shed is a folder that deploy finds its tools in, and a copy of the repository's files that it needs.
type shed struct {
	t         *testing.T
	root, bin string
}

// fakeAWS notes its arguments and answers as the command line of AWS does where all is well, or fails where FAIL is part of them.
const fakeAWS = `#!/bin/sh
echo "aws $*" >> "$CALLS"
[ -z "$FAIL" ] || case "$*" in *"$FAIL"*) echo "aws says no" >&2; exit 254;; esac
case "$*" in
*get-caller-identity*) echo 111122223333;;
*"configure get region"*) echo eu-central-1;;
esac
`

func newShed(t *testing.T) *shed {
	t.Helper()
	s := &shed{t, t.TempDir(), t.TempDir()}
	for _, dir := range []string{"infra/sam", "dist"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile("deploy")
	if err != nil {
		t.Fatal(err)
	}
	s.write("infra/deploy", string(script))
	for _, tool := range []string{"bash", "env", "cat", "rm", "dirname", "cut", "sha256sum", "sh"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(s.bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *shed) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.root, name), []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shed) withAWS() *shed {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.bin, "aws"), []byte(fakeAWS), 0o755); err != nil {
		s.t.Fatal(err)
	}
	return s
}

func (s *shed) withPrograms() *shed {
	s.t.Helper()
	for _, f := range []string{"producer.zip", "consumer.zip", "admin.zip", "maintenance.zip", "deliver.zip", "etcd"} {
		s.write("dist/"+f, "x")
	}
	return s
}

// run gives what deploy said, what it called, and whether it went well.
func (s *shed) run(fail string, args ...string) (said, called string, well bool) {
	s.t.Helper()
	calls := filepath.Join(s.t.TempDir(), "calls")
	c := exec.Command(filepath.Join(s.bin, "bash"), append([]string{filepath.Join(s.root, "infra/deploy")}, args...)...)
	c.Env = []string{"PATH=" + s.bin, "CALLS=" + calls, "FAIL=" + fail}
	out, err := c.CombinedOutput()
	log, _ := os.ReadFile(calls) // none: nothing was called
	return string(out), string(log), err == nil
}

func TestDeploy_SaysWhatIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		shed *shed
		fail string
		args []string
		want string
	}{
		"no tool":        {newShed(t), "", []string{"--check"}, "aws) is not installed"},
		"no region":      {newShed(t).withAWS(), "configure get region", []string{"--check"}, "no region: set AWS_REGION"},
		"no credentials": {newShed(t).withAWS(), "get-caller-identity", []string{"--check"}, "no valid credentials"},
		"nothing built":  {newShed(t).withAWS(), "", []string{"firnlog"}, "dist/producer.zip is missing: run make package"},
		"bad parameter":  {newShed(t).withAWS().withPrograms(), "", []string{"firnlog", "", "Brokers"}, "parameter 'Brokers': want Name=Value"},
		"refused":        {newShed(t).withAWS().withPrograms(), "cloudformation deploy", []string{"firnlog"}, "describe-stack-events --stack-name firnlog says why"},
	} {
		said, _, well := c.shed.run(c.fail, c.args...)
		if well || !strings.Contains(said, c.want) {
			t.Errorf("%s: went well %v, said %q, want %q", name, well, said, c.want)
		}
	}
}

func TestDeploy_UploadsThenChangesTheStack(t *testing.T) {
	said, called, well := newShed(t).withAWS().withPrograms().run("head-object", "prod", "", "Brokers=2", "BrokerImage=x")
	if !well {
		t.Fatal(said)
	}
	at := 0
	for _, want := range []string{
		"sts get-caller-identity", "s3api head-bucket --bucket firnlog-artifacts-111122223333-eu-central-1", "s3 cp --only-show-errors dist/etcd s3://firnlog-artifacts-111122223333-eu-central-1/etcd/",
		"cloudformation package --template-file infra/sam/template.yaml", "cloudformation deploy --template-file dist/packaged.yaml --stack-name prod",
		"--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND", "EtcdBinaryKey=etcd/", "Brokers=2 BrokerImage=x", "describe-stacks",
	} {
		i := strings.Index(called[at:], want)
		if i < 0 {
			t.Fatalf("no %q behind what came before:\n%s", want, called)
		}
		at += i
	}
	if strings.Contains(called, "s3 mb") {
		t.Error("made a bucket that is there")
	}
}

// The script that an instance of etcd runs at its first start is one that bash understands, with all its values filled in.
func TestEtcd_ScriptOfInstancesIsWhole(t *testing.T) {
	member := load(t, "etcd-member.yaml", object{
		"Name": "a", "Address": "10.0.1.10", "InitialCluster": "a=http://10.0.1.10:2380", "Token": "t", "BinaryBucket": "bucket", "BinaryKey": "etcd/k", "MetricNamespace": "firnlog/etcd", "Volume": "vol-1",
	})
	script := member.resolve(member.get("Resources", "Template", "Properties", "LaunchTemplateData")["UserData"]).(string)
	if i := strings.IndexByte(script, '<'); strings.Contains(script, "<AWS") || strings.Contains(script, "${") {
		t.Errorf("a value is missing near %q", script[i:min(i+40, len(script))])
	}
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("bash", "-n", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, want := range []string{"--auto-compaction-mode periodic --auto-compaction-retention 2m", "--quota-backend-bytes 8589934592", "volume=vol-1", "s3://bucket/etcd/k"} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q", want)
		}
	}
}

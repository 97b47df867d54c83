package infra_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/objectstore/storeurl"
)

// container is a broker's, of one of the deployments.
type container struct {
	args []string
	env  map[string]string
}

// storeOf is the bucket's URL as the root template makes it, for functions and brokers alike.
func storeOf(t *testing.T) string {
	t.Helper()
	root := load(t, "template.yaml", object{"Data.Outputs.BucketName": "records"})
	functions := fmt.Sprint(root.resolve(root.get("Globals", "Function", "Environment", "Variables")["FIRNLOG_STORE"]))
	brokers := fmt.Sprint(root.resolve(root.get("Resources", "BrokersStack", "Properties", "Parameters")["Store"]))
	if functions != brokers {
		t.Errorf("functions use %s, brokers %s", functions, brokers)
	}
	return brokers
}

// fargate is the container of a task with so much memory.
func fargate(t *testing.T, memory, access string) container {
	t.Helper()
	broker := load(t, "broker.yaml", object{
		"Name": "lb.example", "Port": 9093, "Number": 1, "MemoryMiB": memory, "Access": access, "SuperUsers": "User:admin", "Store": storeOf(t), "Etcd": "e:2379", "Cluster": "c",
	})
	sizes := broker.get("Mappings", "Memory", memory)
	task := broker.get("Resources", "Task", "Properties")["ContainerDefinitions"].([]any)[0].(object)
	c := container{args: list(task["Command"]), env: map[string]string{}}
	for _, v := range task["Environment"].([]any) {
		variable := v.(object)
		value := broker.resolve(variable["Value"])
		if o, ok := value.(object); ok { // FindInMap
			value = sizes[fmt.Sprint(o["Fn::FindInMap"].([]any)[2])]
		}
		c.env[variable["Name"].(string)] = fmt.Sprint(value)
	}
	return c
}

// pod is the container of the StatefulSet, with the settings of the ConfigMap and of the example.
func pod(t *testing.T) container {
	t.Helper()
	set := documents(t, "kustomize/base/brokers.yaml")[0]
	spec := set["spec"].(object)["template"].(object)["spec"].(object)["containers"].([]any)[0].(object)
	c := container{args: list(spec["args"]), env: map[string]string{}}
	for _, file := range []string{"kustomize/base/kustomization.yaml", "kustomize/example/kustomization.yaml"} {
		for _, l := range documents(t, file)[0]["configMapGenerator"].([]any)[0].(object)["literals"].([]any) {
			name, value, _ := strings.Cut(l.(string), "=")
			c.env[name] = value
		}
	}
	fields := strings.NewReplacer("$(POD_NAME)", "firnlog-0", "$(POD_NAMESPACE)", "ns")
	for _, v := range spec["env"].([]any) {
		if value, ok := v.(object)["value"]; ok {
			c.env[v.(object)["name"].(string)] = fields.Replace(fmt.Sprint(value))
		}
	}
	return c
}

func containers(t *testing.T) map[string]container {
	t.Helper()
	out := map[string]container{"kubernetes": pod(t)}
	for memory := range load(t, "broker.yaml", nil).get("Mappings", "Memory") {
		out["fargate "+memory] = fargate(t, memory, "authenticated")
		out["fargate open "+memory] = fargate(t, memory, "open")
	}
	return out
}

// settings parses a container's variables as firnlog broker does.
func (c container) settings(t *testing.T) *config.Broker {
	t.Helper()
	for variable, value := range c.env {
		t.Setenv(variable, value)
	}
	defer func() {
		for variable := range c.env {
			os.Unsetenv(variable)
		}
	}()
	var settings config.Broker
	parser, err := kong.New(&settings, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Error(err)
	}
	return &settings
}

// The settings of every deployment are parsed by the same model as firnlog broker's, and are valid.
func TestBrokers_StartWithWhatTheirContainersAreGiven(t *testing.T) {
	known := variables(t, config.Broker{})
	for name, c := range containers(t) {
		if len(c.args) != 1 || c.args[0] != "broker" {
			t.Errorf("%s: started with %v, want broker alone: all else are variables", name, c.args)
		}
		for variable := range c.env {
			if _, ok := known[variable]; !ok && variable != "GOMEMLIMIT" {
				t.Errorf("%s: %s is no setting of firnlog broker", name, variable)
			}
		}
		settings := c.settings(t)
		if err := settings.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := storeurl.Open(t.Context(), settings.Store); err != nil { // it sends nothing
			t.Errorf("%s: %v", name, err)
		}
		if open := strings.Contains(name, "open"); settings.InsecureAllowAnyone != open {
			t.Errorf("%s: lets anyone in: %v", name, settings.InsecureAllowAnyone)
		}
		fits(t, name, c, settings)
	}
}

// fits checks that buffers, caches and a settling job leave a fifth of the memory to all else.
func fits(t *testing.T, name string, c container, s *config.Broker) {
	t.Helper()
	var limit config.Bytes
	if err := limit.UnmarshalText([]byte(c.env["GOMEMLIMIT"])); err != nil {
		t.Fatalf("%s: GOMEMLIMIT: %v", name, err)
	}
	settling := s.SettleBytes*3/2 + 64<<20
	if sum := s.IngestMemory + s.HotCache + s.ColdCache + settling + s.CompactKeys; sum > limit*4/5 {
		t.Errorf("%s: buffers and caches take %s of %s", name, sum, limit)
	}
}

// A client must be told an address of one broker alone: it is the coordinator of groups.
func TestBrokers_AdvertiseAnAddressOfTheirOwn(t *testing.T) {
	for want, c := range map[string]container{
		"lb.example:9093": fargate(t, "1024", "authenticated"), "lb.example:9093 ": fargate(t, "1024", "open"),
		"firnlog-0.firnlog-brokers.ns.svc.cluster.local:9092": pod(t),
	} {
		listeners, err := c.settings(t).Listeners()
		if err != nil {
			t.Fatal(err)
		}
		last := listeners[len(listeners)-1]
		if last.Advertise == nil || last.Advertise.String() != strings.TrimSpace(want) {
			t.Errorf("advertised %v, want %s", last.Advertise, want)
		}
		if first := listeners[0]; len(listeners) > 1 && first.Advertise != nil {
			t.Errorf("brokers speak to each other through %v: want the task itself", first.Advertise)
		}
	}
	balancer := load(t, "brokers.yaml", object{"Brokers": 3})
	ports := map[string]bool{}
	for _, broker := range []string{"One", "Two", "Three"} {
		ports[fmt.Sprint(balancer.get("Resources", broker, "Properties", "Parameters")["Port"])] = true
	}
	if len(ports) != 3 || ports["9092"] {
		t.Errorf("ports of brokers %v: want three of their own", ports)
	}
}

// The names that probes, policies and services ask for are those that the broker has.
func TestKubernetes_NamesFitTogether(t *testing.T) {
	for _, dir := range []string{"base", "etcd"} {
		files, err := filepath.Glob("kustomize/" + dir + "/*.yaml")
		if err != nil {
			t.Fatal(err)
		}
		listed := map[string]bool{"kustomization.yaml": true}
		for _, r := range documents(t, "kustomize/"+dir+"/kustomization.yaml")[0]["resources"].([]any) {
			listed[r.(string)] = true
		}
		for _, f := range files {
			if !listed[filepath.Base(f)] {
				t.Errorf("%s is not part of %s/kustomization.yaml", f, dir)
			}
			delete(listed, filepath.Base(f))
		}
		if len(listed) > 0 {
			t.Errorf("%s: no files for %v", dir, listed)
		}
	}
	spec := documents(t, "kustomize/base/brokers.yaml")[0]["spec"].(object)
	probes := map[string]string{}
	each(spec, func(o object) {
		for _, kind := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
			if p, ok := o[kind].(object); ok {
				probes[kind] = fmt.Sprint(p["httpGet"].(object)["path"])
			}
		}
	})
	if probes["livenessProbe"] != "/healthz" || probes["readinessProbe"] != "/readyz" || probes["startupProbe"] != "/healthz" {
		t.Errorf("probes %v", probes)
	}
	if services := documents(t, "kustomize/base/services.yaml"); spec["serviceName"] != services[1]["metadata"].(object)["name"] {
		t.Errorf("the service of names is %v", spec["serviceName"])
	}
}

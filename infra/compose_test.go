package infra_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/firnlog/firnlog/core/config"
)

// composeServices are those of infra/compose.yaml with its anchors resolved.
func composeServices(t *testing.T) object {
	t.Helper()
	services, ok := documents(t, "compose.yaml")[0]["services"].(object)
	if !ok {
		t.Fatal("compose.yaml has no services")
	}
	return services
}

// merged resolves <<, which the reader of templates leaves as it is.
func merged(m object) object {
	out := object{}
	if base, ok := m["<<"].(object); ok {
		for k, v := range merged(base) {
			out[k] = v
		}
	}
	for k, v := range m {
		if k != "<<" {
			out[k] = v
		}
	}
	return out
}

// Every variable of a broker is one that the broker reads, and together they are settings that it takes: the clients outside are told an
// address that is published, and the other broker one that is not.
func TestCompose_BrokersHaveSettingsThatTheBrokerTakes(t *testing.T) {
	source, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	brokers := 0
	for name, service := range composeServices(t) {
		if !strings.HasPrefix(name, "broker-") {
			continue
		}
		brokers++
		s := merged(service.(object))
		if fmt.Sprint(s["command"]) != "[broker]" || !strings.Contains(string(source), `ENTRYPOINT ["/firnlog"]`) {
			t.Errorf("%s runs %v", name, s["command"])
		}
		env := merged(s["environment"].(object))
		var c config.Broker
		parser, err := kong.New(&c, kong.Exit(func(int) {}))
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]bool{}
		for _, f := range parser.Model.Flags {
			for _, variable := range f.Envs {
				known[variable] = true
			}
		}
		for variable, value := range env {
			if strings.HasPrefix(variable, "FIRNLOG_") && !known[variable] {
				t.Errorf("%s: the broker does not read %s", name, variable)
			}
			t.Setenv(variable, fmt.Sprint(value))
		}
		if parser, err = kong.New(&c, kong.Exit(func(int) {})); err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkPorts(t, name, &c, fmt.Sprint(s["ports"]))
	}
	if brokers != 2 {
		t.Errorf("%d brokers, want 2", brokers)
	}
}

func checkPorts(t *testing.T, name string, c *config.Broker, ports string) {
	t.Helper()
	listeners, err := c.Listeners()
	if err != nil || len(listeners) != 2 {
		t.Fatalf("%s: %v, %v", name, listeners, err)
	}
	inside, outside := listeners[0].Advertise, listeners[1].Advertise
	if inside == nil || inside.Host != name || inside.Port != listeners[0].Port {
		t.Errorf("%s: the other broker is told %+v", name, inside)
	}
	if outside == nil || !strings.Contains(ports, fmt.Sprintf("127.0.0.1:%d:%d", outside.Port, listeners[1].Port)) {
		t.Errorf("%s: clients are told %+v, published are %s", name, outside, ports)
	}
}

// Nothing is published beyond this machine, each service is a target of the Dockerfile, and its MinIO is that of the Makefile.
func TestCompose_StaysOnThisMachineAndIsBuiltHere(t *testing.T) {
	source, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range composeServices(t) {
		s := merged(service.(object))
		ports, _ := s["ports"].([]any)
		for _, p := range ports {
			if !strings.HasPrefix(fmt.Sprint(p), "127.0.0.1:") {
				t.Errorf("%s publishes %v", name, p)
			}
		}
		target := fmt.Sprint(s["build"].(object)["target"])
		if !strings.Contains(string(source), " AS "+target+"\n") {
			t.Errorf("%s: the Dockerfile has no target %s", name, target)
		}
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`MINIO_VERSION ?\?= (\S+)`).FindStringSubmatch(string(makefile))
	if version == nil || !strings.Contains(string(source), "ARG MINIO_VERSION="+version[1]+"\n") {
		t.Errorf("the Makefile's MinIO is %v", version)
	}
	for _, built := range regexp.MustCompile(`go build [^&]* (\./\S+)`).FindAllStringSubmatch(string(source), -1) {
		if _, err := os.Stat("../" + built[1] + "/main.go"); err != nil {
			t.Errorf("the Dockerfile builds %s: %v", built[1], err)
		}
	}
}

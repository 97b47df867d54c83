package stack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Summary says where everything is.
type Summary struct {
	Command   string            `json:"command"` // how firnlog stack is called
	Arguments string            `json:"arguments,omitempty"`
	Kafka     []string          `json:"kafka"`
	HTTP      []string          `json:"http"`
	Etcd      string            `json:"etcd"`
	S3        string            `json:"s3"`
	Bucket    string            `json:"bucket"`
	Store     string            `json:"store"` // as FIRNLOG_STORE
	AccessKey string            `json:"access_key"`
	SecretKey string            `json:"secret_key"`
	Region    string            `json:"region"`
	Lambda    string            `json:"lambda"` // Invoke API
	Functions []string          `json:"functions"`
	Missing   []string          `json:"missing,omitempty"` // functions that are not built
	URLs      map[string]string `json:"urls"`              // Function URLs
	Scheduled map[string]string `json:"scheduled"`         // how often
	SQS       string            `json:"sqs"`
	Queue     string            `json:"queue"`        // URL of the one that feeds the producer
	Dead      string            `json:"dead_letters"` // URL
}

func (s *Stack) summary(at *servers, f *functions) *Summary {
	out := &Summary{
		Command: s.Command, Arguments: s.Arguments, Kafka: at.kafka, HTTP: at.http, Etcd: at.etcd, S3: "http://" + at.minio, Bucket: bucket, Store: at.storeURL(), AccessKey: accessKey, SecretKey: secretKey, Region: region,
		Lambda: f.lambda, Functions: f.names, Missing: f.missing, URLs: f.urls, Scheduled: map[string]string{}, SQS: f.sqs,
		Queue: f.sqs + "/000000000000/" + queueName, Dead: f.sqs + "/000000000000/" + deadName,
	}
	for _, name := range f.scheduled {
		out.Scheduled[name] = s.Every.String()
	}
	return out
}

// Environ is what other programs need to find it all: AWS's own variables, and firnlog's.
func (s *Summary) Environ() []string {
	out := []string{
		"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey, "AWS_REGION=" + s.Region,
		"AWS_ENDPOINT_URL_S3=" + s.S3, "AWS_ENDPOINT_URL_LAMBDA=" + s.Lambda, "AWS_ENDPOINT_URL_SQS=" + s.SQS,
		"FIRNLOG_STORE=" + s.Store, "FIRNLOG_ETCD=" + s.Etcd,
	}
	if len(s.Kafka) > 0 {
		out = append(out, "FIRNLOG_CLIENT_KAFKA="+s.Kafka[0])
	}
	return out
}

// Text is the summary for people, with commands to paste.
func (s *Summary) Text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-14s %s\n", name, fmt.Sprintf(format, args...))
	}
	if len(s.Kafka) > 0 {
		row("Kafka", "%s", strings.Join(s.Kafka, ","))
		row("HTTP", "http://%s", strings.Join(s.HTTP, "  http://"))
	}
	row("MinIO", "%s  bucket %s, key %s, secret %s", s.S3, s.Bucket, s.AccessKey, s.SecretKey)
	row("etcd", "%s", s.Etcd)
	row("Lambda", "%s  (Invoke API: %s)", s.Lambda, strings.Join(s.Functions, ", "))
	for _, name := range slices.Sorted(maps.Keys(s.URLs)) {
		row("  "+name, "%s  (Function URL)", s.URLs[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Scheduled)) {
		row("  "+name, "every %s", s.Scheduled[name])
	}
	for _, name := range s.Missing {
		row("  "+name, "not built: make stack builds it")
	}
	row("SQS", "%s  (feeds producer; dead letters in %s)", s.Queue, deadName)
	b.WriteString("\nTry:\n")
	for _, line := range s.tries() {
		b.WriteString("  " + line + "\n")
	}
	return b.String()
}

// tries are commands that work as they are, in this order.
func (s *Summary) tries() (out []string) {
	if len(s.Kafka) > 0 {
		out = append(out, "echo 'hello from Kafka' | kcat -b "+s.Kafka[0]+" -t "+topicDefault+" -P")
	}
	if url := s.URLs["producer"]; url != "" {
		out = append(out, "curl -s "+url+"/topics/"+topicDefault+` -H 'Content-Type: application/vnd.kafka.text.v2+json' -d '{"records":[{"value":"hello from a function"}]}'`,
			s.call("send", queueName+" 'hello from a queue' --attr key=k"),
			s.call("invoke", `producer '{"topic":"`+topicDefault+`","format":"text","records":[{"value":"hello from Invoke"}]}'`))
	}
	if url := s.URLs["consumer"]; url != "" {
		out = append(out, "curl -s '"+url+"/topics/"+topicDefault+"/partitions/0/records?offset=0&timeout=500'")
	}
	if len(s.Kafka) > 0 {
		out = append(out, "kcat -b "+s.Kafka[0]+" -t "+topicDefault+" -C -e -q")
	}
	return append(out, `eval "$(`+s.call("env", "")+`)"    # then the aws command, AWS SDKs and firnlog fsck find all of it`)
}

// call is a command line of firnlog stack.
func (s *Summary) call(what, arguments string) string {
	out := s.Command + " stack " + what
	for _, more := range []string{s.Arguments, arguments} {
		if more != "" {
			out += " " + more
		}
	}
	return out
}

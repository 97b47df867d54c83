package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firnlog/firnlog/localstack/lambda"
	"github.com/firnlog/firnlog/localstack/queue"
)

// role is what a function is for: how it comes to be invoked, beside the Invoke API, which all have.
type role struct {
	name      string
	url       bool // a Function URL
	scheduled bool
	fromQueue bool
	needs     string // without this variable it is left out: it would not start
	timeout   time.Duration
}

// roles is the table of firnlog's functions. One whose program is not there is left out, and the summary says so.
func roles() []role {
	const web, long = 30 * time.Second, 5 * time.Minute
	return []role{
		{name: "producer", url: true, fromQueue: true, timeout: web},
		{name: "consumer", url: true, timeout: web},
		{name: "admin", url: true, timeout: web},
		{name: "maintenance", scheduled: true, timeout: long},
		{name: "deliver", scheduled: true, needs: "FIRNLOG_DELIVER_FUNCTION", timeout: long},
	}
}

const (
	queueName = "records"
	deadName  = "records-dead"
	// topicDefault is for messages that name none.
	topicDefault = "events"
	pollers      = 2
	lastWords    = 5 * time.Second // for invocations that are on their way when the stack stops
)

// functions are those that run, with what feeds them.
type functions struct {
	service *lambda.Service
	queue   *queue.Queue
	dead    *queue.Queue

	lambda, sqs string            // addresses
	urls        map[string]string // by function
	scheduled   []string
	names       []string
	missing     []string

	web    *http.Server
	feeds  sync.WaitGroup
	cancel context.CancelFunc
}

// startFunctions starts what invokes functions. Their own processes start when they are invoked.
func (s *Stack) startFunctions(ctx context.Context, p *ports, at *servers) (*functions, error) {
	f := &functions{service: lambda.New(), urls: map[string]string{}}
	ctx, f.cancel = context.WithCancel(ctx)
	address, err := p.address("lambda")
	if err == nil {
		f.lambda, err = f.service.Listen(address)
	}
	if err != nil {
		return f, err
	}
	if address, err = p.address("sqs"); err != nil {
		return f, err
	}
	f.sqs = "http://" + address
	env := append(awsEnv(), "FIRNLOG_STORE="+at.storeURL(), "FIRNLOG_ETCD="+at.etcd, "FIRNLOG_TOPIC="+topicDefault, "AWS_ENDPOINT_URL_LAMBDA="+f.lambda, "AWS_ENDPOINT_URL_SQS="+f.sqs)
	env = append(env, s.Env...)
	err = s.step("functions", func() (string, error) {
		for _, r := range roles() {
			if err := s.addRole(ctx, f, p, r, env); err != nil {
				return "", err
			}
		}
		for name, program := range s.More {
			if !executable(program) {
				return "", fmt.Errorf("%w: function %s: %s", ErrMissing, name, program)
			}
			s.add(f, role{name: name, timeout: 30 * time.Second}, program, env)
		}
		return fmt.Sprintf("%v at %s", f.names, f.lambda), nil
	})
	if err != nil {
		return f, err
	}
	return f, s.startQueue(ctx, f, address)
}

// addRole makes one of firnlog's functions known, if its program is there.
func (s *Stack) addRole(ctx context.Context, f *functions, p *ports, r role, env []string) error {
	address := ""
	if r.url { // asked for in any case, so that ports do not depend on what was built
		var err error
		if address, err = p.address("url " + r.name); err != nil {
			return err
		}
	}
	program := filepath.Join(s.Functions, r.name)
	if !executable(program) {
		f.missing = append(f.missing, r.name)
		return nil
	}
	if r.needs != "" && !slices.ContainsFunc(env, func(one string) bool { return strings.HasPrefix(one, r.needs+"=") }) {
		return nil
	}
	s.add(f, r, program, env)
	if r.url {
		url, err := f.service.ListenURL(address, r.name)
		if err != nil {
			return err
		}
		f.urls[r.name] = url
	}
	if r.scheduled {
		f.scheduled = append(f.scheduled, r.name)
		f.feeds.Go(func() {
			(&schedule{Name: r.name, Every: s.Every, Invoke: f.invoker(r.name), Now: time.Now, Log: s.Log}).run(ctx)
		})
	}
	return nil
}

func (s *Stack) add(f *functions, r role, program string, env []string) {
	f.service.Add(lambda.Settings{
		Name: r.name, Bootstrap: program, Env: env, Timeout: r.timeout, Concurrency: s.Concurrency, LogFile: filepath.Join(s.Dir, "logs", "function-"+r.name+".log"),
	})
	f.names = append(f.names, r.name)
}

// invoker runs a function; what it says of its failure is an error.
func (f *functions) invoker(name string) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, event []byte) ([]byte, error) {
		r, err := f.service.Invoke(ctx, name, event)
		if err != nil {
			return nil, fmt.Errorf("invoke %s: %w", name, err)
		}
		if r.FunctionError != "" {
			return nil, fmt.Errorf("invoke %s: %w: %s", name, errFailed, r.Payload)
		}
		return r.Payload, nil
	}
}

var errFailed = errors.New("the function failed")

// startQueue serves the queues and feeds who takes from them.
func (s *Stack) startQueue(ctx context.Context, f *functions, address string) error {
	f.dead = queue.New(queue.Settings{Name: deadName, Visibility: s.Queue.Visibility, Now: time.Now, NewID: lambda.NewID})
	f.queue = queue.New(queue.Settings{Name: queueName, Visibility: s.Queue.Visibility, ReceivesMax: s.Queue.ReceivesMax, DeadLetter: f.dead, Now: time.Now, NewID: lambda.NewID})
	for _, r := range roles() {
		if !r.fromQueue || !slices.Contains(f.names, r.name) {
			continue
		}
		m := &queue.Mapping{Queue: f.queue, BatchMax: s.Queue.BatchMax, Window: s.Queue.Window, ReportFailures: true, Pollers: pollers, Invoke: f.invoker(r.name), Log: s.Log}
		if err := m.Validate(); err != nil {
			return err
		}
		f.feeds.Go(func() { _ = m.Run(ctx) }) // its settings are valid
	}
	f.web = &http.Server{Handler: queue.NewAPI(f.queue, f.dead), ReadHeaderTimeout: 10 * time.Second, Addr: address}
	return s.serve(f.web)
}

// close ends what feeds functions, lets what is on its way end, and then ends the functions.
func (f *functions) close() {
	f.cancel()
	if f.web != nil {
		f.web.Close()
	}
	fed := make(chan struct{})
	go func() { f.feeds.Wait(); close(fed) }()
	select {
	case <-fed:
	case <-time.After(lastWords):
	}
	f.service.Close()
	<-fed
}

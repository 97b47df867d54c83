package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	runtime "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/firnlog/firnlog/localstack/lambda"
)

// This program is also the function under test: the service starts it with this variable.
const asFunction = "LOCALSTACK_LAMBDA_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(asFunction) != "" {
		var ticks atomic.Int64
		go func() {
			for range time.Tick(time.Millisecond) {
				ticks.Add(1)
			}
		}()
		runtime.Start(func(ctx context.Context, raw json.RawMessage) (any, error) { return handle(ctx, raw, &ticks) })
	}
	os.Exit(m.Run())
}

type order struct {
	Do      string `json:"do"`
	RawPath string `json:"rawPath"`
	Body    string `json:"body"`
}

func handle(ctx context.Context, raw json.RawMessage, ticks *atomic.Int64) (any, error) {
	var o order
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if o.RawPath != "" {
		return events.LambdaFunctionURLResponse{StatusCode: 418, Headers: map[string]string{"X-H": "v"}, Body: o.RawPath + " " + o.Body}, nil
	}
	switch o.Do {
	case "panic":
		panic("boo")
	case "exit":
		os.Exit(3)
	case "fail":
		return nil, errors.New("no")
	case "big":
		return strings.Repeat("x", lambda.BytesMax), nil
	case "hang":
		select {}
	case "wait":
		time.Sleep(300 * time.Millisecond)
	case "deadline":
		at, _ := ctx.Deadline()
		return time.Until(at).Milliseconds(), nil
	case "ticks":
		return ticks.Load(), nil
	}
	return os.Getpid(), nil
}

func newService(t *testing.T) *lambda.Service {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := lambda.New()
	t.Cleanup(s.Close)
	s.Add(lambda.Settings{Name: "f", Bootstrap: program, Env: []string{asFunction + "=1"}, Timeout: 2 * time.Second, Concurrency: 3})
	return s
}

func do(t *testing.T, s *lambda.Service, what string) lambda.Result {
	t.Helper()
	r, err := s.Invoke(t.Context(), "f", []byte(`{"do":"`+what+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInvoke_AnEnvironmentIsUsedAgain(t *testing.T) {
	s := newService(t)
	first, second := do(t, s, "pid"), do(t, s, "pid")
	if string(first.Payload) != string(second.Payload) || !first.Cold || second.Cold || first.Init <= 0 || first.FunctionError != "" {
		t.Errorf("%s cold %t, then %s cold %t", first.Payload, first.Cold, second.Payload, second.Cold)
	}
	s.Recycle("f")
	if third := do(t, s, "pid"); string(third.Payload) == string(first.Payload) || !third.Cold {
		t.Errorf("the same process %s after it was ended", third.Payload)
	}
	var left int
	if _ = json.Unmarshal(do(t, s, "deadline").Payload, &left); left < 1000 || left > 2000 {
		t.Errorf("%d ms left of 2000", left)
	}
}

// A process that is stopped does not count, and one that runs counts some hundred times meanwhile.
func TestInvoke_BetweenInvocationsNothingRuns(t *testing.T) {
	s := newService(t)
	ticks := func() (n int) { _ = json.Unmarshal(do(t, s, "ticks").Payload, &n); return n }
	before := ticks()
	time.Sleep(600 * time.Millisecond)
	if after := ticks(); after-before > 200 {
		t.Errorf("%d ticks of a millisecond while it was frozen", after-before)
	}
}

func TestInvoke_FailuresAreTheFunctionsAndTheNextOneIsWell(t *testing.T) {
	s := newService(t)
	for what, want := range map[string]string{"panic": "boo", "exit": "ended during", "fail": "no", "big": "ResponseSizeTooLarge", "hang": "timed out after 2.00 seconds"} {
		r := do(t, s, what)
		if r.FunctionError != "Unhandled" || !strings.Contains(string(r.Payload), want) {
			t.Errorf("%s: %q %.200s", what, r.FunctionError, r.Payload)
		}
		if r := do(t, s, "pid"); r.FunctionError != "" {
			t.Errorf("after %s: %s", what, r.Payload)
		}
	}
}

func TestInvoke_MoreAtATimeThanAllowedAreThrottled(t *testing.T) {
	s := newService(t)
	var served, throttled atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := s.Invoke(t.Context(), "f", []byte(`{"do":"wait"}`))
			switch {
			case err == nil:
				served.Add(1)
			case errors.Is(err, lambda.ErrThrottled):
				throttled.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if served.Load() < 3 || served.Load()+throttled.Load() != 8 || throttled.Load() == 0 {
		t.Errorf("%d served, %d throttled; 3 may run at a time", served.Load(), throttled.Load())
	}
}

func TestAPI_TheSDKsClientWorksUnmodified(t *testing.T) {
	s := newService(t)
	endpoint, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(client.Options{Region: "local", BaseEndpoint: aws.String(endpoint), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})
	out, err := c.Invoke(t.Context(), &client.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{"do":"pid"}`)})
	if err != nil || out.StatusCode != 200 || len(out.Payload) == 0 || out.FunctionError != nil {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = c.Invoke(t.Context(), &client.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{"do":"fail"}`)})
	if err != nil || aws.ToString(out.FunctionError) != "Unhandled" {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = c.Invoke(t.Context(), &client.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{}`)})
	if err != nil || out.StatusCode != 202 {
		t.Errorf("%+v, %v", out, err)
	}
	var none *types.ResourceNotFoundException
	if _, err = c.Invoke(t.Context(), &client.InvokeInput{FunctionName: aws.String("none")}); !errors.As(err, &none) {
		t.Errorf("unknown function: %v", err)
	}
	var large *types.RequestTooLargeException
	if _, err = c.Invoke(t.Context(), &client.InvokeInput{FunctionName: aws.String("f"), Payload: make([]byte, lambda.BytesMax+1)}); !errors.As(err, &large) {
		t.Errorf("too large: %v", err)
	}
}

func TestURL_ARequestIsAnEventAndTheReplyAnAnswer(t *testing.T) {
	s := newService(t)
	url, err := s.ListenURL("127.0.0.1:0", "f")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url+"/a%2Fb", "text/plain", strings.NewReader("hi"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 418 || string(body) != "/a%2Fb hi" || resp.Header.Get("X-H") != "v" {
		t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
	}
}

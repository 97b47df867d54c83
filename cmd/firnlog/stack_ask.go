package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/firnlog/firnlog/localstack/stack"
)

type stackStatusCommand struct {
	stackPlace
	JSON bool `name:"json" help:"Print the state as JSON."`
}

// Run shows what runs; exit code 1: nothing does.
func (c *stackStatusCommand) Run() error {
	st, err := stack.Look(c.Dir)
	if st != nil && c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return errors.Join(err, out.Encode(st))
	}
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, p := range append([]stack.Process{*st.Supervisor}, st.Processes...) {
		state := "runs"
		if !p.Lives() {
			state = "has ended"
		}
		fmt.Fprintf(w, "  %s\tprocess %d\t%s\t%s\n", p.Name, p.PID, state, p.Log)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !st.Ready {
		fmt.Println("it is still starting")
		return nil
	}
	fmt.Printf("\n%s", st.Summary.Text())
	return nil
}

type stackEnvCommand struct{ stackPlace }

// Run prints lines for a shell.
func (c *stackEnvCommand) Run() error {
	st, err := ready(c.Dir)
	if err != nil {
		return err
	}
	for _, line := range st.Summary.Environ() {
		name, value, _ := strings.Cut(line, "=")
		fmt.Printf("export %s='%s'\n", name, value)
	}
	return nil
}

// ready gives the state of a stack that serves.
func ready(dir string) (*stack.State, error) {
	st, err := stack.Look(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: start it with firnlog stack up", err)
	}
	if !st.Ready {
		return nil, fmt.Errorf("the stack in %s is still starting", dir)
	}
	return st, nil
}

type stackInvokeCommand struct {
	stackPlace
	Name    string `arg:"" help:"Name of the function."`
	Payload string `arg:"" optional:"" default:"{}" help:"The event, JSON; - reads it from standard input."`
}

// Run asks the Invoke API.
func (c *stackInvokeCommand) Run(ctx context.Context) error {
	st, err := ready(c.Dir)
	if err != nil {
		return err
	}
	payload := []byte(c.Payload)
	if c.Payload == "-" {
		if payload, err = io.ReadAll(os.Stdin); err != nil {
			return fmt.Errorf("read the event: %w", err)
		}
	}
	answer, header, err := send(ctx, st.Summary.Lambda+"/2015-03-31/functions/"+c.Name+"/invocations", payload, nil)
	if err != nil {
		return fmt.Errorf("invoke %s: %w", c.Name, err)
	}
	fmt.Printf("%s\n", bytes.TrimSpace(answer))
	if kind := header.Get("X-Amz-Function-Error"); kind != "" {
		return fmt.Errorf("invoke %s: %w: %s", c.Name, errFunction, kind)
	}
	return nil
}

var errFunction = errors.New("the function failed")

type stackSendCommand struct {
	stackPlace
	Queue string            `arg:"" help:"Name of the queue: records."`
	Body  string            `arg:"" help:"The message; - reads it from standard input."`
	Attr  map[string]string `name:"attr" placeholder:"NAME=VALUE" help:"An attribute of the message; may be repeated. topic: where it goes, key: the record's key, others become headers."`
}

// Run sends it as an SDK does.
func (c *stackSendCommand) Run(ctx context.Context) error {
	st, err := ready(c.Dir)
	if err != nil {
		return err
	}
	body := c.Body
	if body == "-" {
		raw, err := io.ReadAll(os.Stdin)
		if err != nil {
			return fmt.Errorf("read the message: %w", err)
		}
		body = string(raw)
	}
	attributes := map[string]map[string]string{}
	for name, value := range c.Attr {
		attributes[name] = map[string]string{"DataType": "String", "StringValue": value}
	}
	message, err := json.Marshal(map[string]any{"QueueUrl": c.Queue, "MessageBody": body, "MessageAttributes": attributes})
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	answer, _, err := send(ctx, st.Summary.SQS, message, map[string]string{"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"})
	if err != nil {
		return fmt.Errorf("send to %s: %w", c.Queue, err)
	}
	fmt.Printf("%s\n", bytes.TrimSpace(answer))
	return nil
}

// send sends a request; an answer that is no success is an error with what it says.
func send(ctx context.Context, url string, body []byte, header map[string]string) ([]byte, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%w: %s: %s", errRefused, resp.Status, bytes.TrimSpace(answer))
	}
	return answer, resp.Header, err
}

var errRefused = errors.New("refused")

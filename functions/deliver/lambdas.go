package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/firnlog/firnlog/core/deliver"
)

// lambdas are functions as the Invoke API reaches them. The client is made with the first invocation: a start needs none.
type lambdas struct {
	client    *lambda.Client
	transport *http.Transport
}

// connectionsMax is more than partitions at a time need.
const connectionsMax = 64

// function gives one of them. The client tries nothing again by itself: what a failure means for records is decided in core/deliver.
func (l *lambdas) function(ctx context.Context, name string) (deliver.Target, error) {
	if l.client == nil {
		l.transport = http.DefaultTransport.(*http.Transport).Clone()
		l.transport.MaxIdleConnsPerHost = connectionsMax
		cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(&http.Client{Transport: l.transport}), config.WithRetryMaxAttempts(1))
		if err != nil {
			return nil, fmt.Errorf("settings of AWS: %w", err)
		}
		l.client = lambda.NewFromConfig(cfg)
	}
	return &target{l.client, name}, nil
}

// release closes idle connections.
func (l *lambdas) release() {
	if l.transport != nil {
		l.transport.CloseIdleConnections()
	}
}

// target is one function.
type target struct {
	client *lambda.Client
	name   string
}

// Invoke implements deliver.Target.
func (t *target) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	out, err := t.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(t.name), Payload: payload})
	if err != nil {
		return nil, classify(err)
	}
	if out.FunctionError != nil {
		return nil, functionError(out.Payload)
	}
	return out.Payload, nil
}

// classify says what an error of the Invoke API means: a status of 429 is a throttle, 413 a size, 5xx and no answer are waited out, and any
// other refusal will not end by itself.
func classify(err error) error {
	var answered interface{ HTTPStatusCode() int }
	status := 0
	if errors.As(err, &answered) {
		status = answered.HTTPStatusCode()
	}
	switch {
	case status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: %w", deliver.ErrThrottled, err)
	case status == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %w", deliver.ErrTooLarge, err)
	case status >= 400 && status < 500:
		return fmt.Errorf("%w: %w", deliver.ErrRefused, err)
	}
	var serial *smithy.SerializationError
	if errors.As(err, &serial) { // the request could not even be made
		return fmt.Errorf("%w: %w", deliver.ErrRefused, err)
	}
	return err
}

// functionError reads what Lambda answers for a function that failed.
func functionError(payload []byte) error {
	var f struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(payload, &f) != nil || f.Message == "" && f.Type == "" {
		f.Message = string(payload)
	}
	timedOut := f.Type == "Sandbox.Timedout" || strings.Contains(f.Message, "Task timed out after")
	if f.Type != "" {
		f.Message = f.Type + ": " + f.Message
	}
	return &deliver.FunctionError{TimedOut: timedOut, Message: f.Message}
}

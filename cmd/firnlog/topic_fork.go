package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/firnlog/firnlog/core/config"
)

type topicForkCommand struct{ config.TopicFork }

// forkMax bounds a fork: with a time some minutes of the topic are read.
const forkMax = 10 * time.Minute

// forked is the answer of an instance.
type forked struct {
	Topic      string `json:"topic"`
	ID         string `json:"topic_id"`
	From       string `json:"from"`
	Partitions []struct {
		Partition int32 `json:"partition"`
		Start     int64 `json:"start"`
		End       int64 `json:"end"`
		Aborted   int   `json:"aborted"`
	} `json:"partitions"`
	Objects   int64 `json:"objects"`
	Bytes     int64 `json:"bytes"`
	Gets      int   `json:"gets"`
	BytesRead int64 `json:"bytes_read"`
}

// Run forks a topic over HTTP, since Kafka has no request for it.
func (c *topicForkCommand) Run(ctx context.Context) error {
	at, errAt := c.Time()
	url, err := c.URL()
	if err = firstOf(errAt, err); err != nil {
		return err
	}
	body := map[string]any{"name": c.Name}
	if !at.IsZero() {
		body["at"] = at.UnixMilli()
	}
	var made forked
	if err := post(ctx, url, body, &made); err != nil {
		return fmt.Errorf("fork topic %s: %w", c.From, err)
	}
	rows := [][]string{{fmt.Sprintf("topic %s made: it shares %s and %d bytes with %s", made.Topic, plural(made.Objects, "object", "objects"), made.Bytes, made.From)}, {"PARTITION", "START", "END", "ABORTED"}}
	for _, p := range made.Partitions {
		rows = append(rows, []string{fmt.Sprint(p.Partition), fmt.Sprint(p.Start), fmt.Sprint(p.End), fmt.Sprint(p.Aborted)})
	}
	return printed(&c.Client, made, rows...)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// post sends JSON and reads the answer; what the instance says of an error is the error.
func post(ctx context.Context, url string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, forkMax)
	defer cancel()
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w (name the HTTP address of an instance with --http)", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		var said struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(answer, &said) != nil || said.Message == "" {
			said.Message = string(answer)
		}
		return fmt.Errorf("%s: %s", resp.Status, said.Message)
	}
	return json.Unmarshal(answer, into)
}

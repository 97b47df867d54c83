package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client is how the tools reach a cluster as its clients do.
type Client struct {
	Kafka string `name:"kafka" env:"FIRNLOG_CLIENT_KAFKA" default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Kafka address of any instance."`
	JSON  bool   `name:"json" help:"Print the result as JSON."`
}

// TopicList are the settings of firnlog topic list.
type TopicList struct{ Client }

// TopicName are the settings of firnlog topic describe and delete.
type TopicName struct {
	Client
	Name string `arg:"" help:"Name of the topic."`
}

// TopicCreate are the settings of firnlog topic create.
type TopicCreate struct {
	Client
	Name       string            `arg:"" help:"Name of the topic."`
	Partitions int32             `name:"partitions" default:"-1" help:"Number of partitions; -1: the cluster's default."`
	Configs    map[string]string `name:"config" placeholder:"NAME=VALUE" help:"A config of the topic; may be repeated."`
}

// TopicFork are the settings of firnlog topic fork.
type TopicFork struct {
	Client
	Name string `arg:"" help:"Name of the new topic."`
	From string `name:"from" required:"" placeholder:"TOPIC" help:"The topic to fork."`
	At   string `name:"at" placeholder:"TIME" help:"End each partition before its first record with this time or a later one: RFC 3339 (2026-01-31T12:00:00Z) or milliseconds since 1970. Default: all there is."`
	HTTP string `name:"http" env:"FIRNLOG_CLIENT_HTTP" placeholder:"URL" help:"HTTP address of any instance. Default: port 8082 of the host of --kafka."`
}

// Validate reports all that is wrong at once.
func (f *TopicFork) Validate() error {
	_, errAt := f.Time()
	_, errURL := f.URL()
	return errors.Join(errAt, errURL)
}

// Time is the time of the fork; zero: there is none.
func (f *TopicFork) Time() (time.Time, error) {
	if f.At == "" {
		return time.Time{}, nil
	}
	if ms, err := strconv.ParseInt(f.At, 10, 64); err == nil {
		return time.UnixMilli(ms), nil
	}
	at, err := time.Parse(time.RFC3339, f.At)
	if err != nil {
		return at, fmt.Errorf("--at %q: want a time like 2026-01-31T12:00:00Z, or milliseconds since 1970", f.At)
	}
	return at, nil
}

// httpPort is where firnlog listens for HTTP if it is not told otherwise.
const httpPort = ":8082"

// URL is where to send the request.
func (f *TopicFork) URL() (string, error) {
	base := f.HTTP
	if base == "" {
		host := f.Kafka
		if i := strings.LastIndexByte(host, ':'); i >= 0 {
			host = host[:i]
		}
		base = "http://" + host + httpPort
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("--http %q: want a URL like http://127.0.0.1:8082", f.HTTP)
	}
	return strings.TrimSuffix(u.String(), "/") + "/firnlog/v1/topics/" + url.PathEscape(f.From) + "/fork", nil
}

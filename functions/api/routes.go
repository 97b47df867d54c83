package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/firnlog/firnlog/core/stream"
)

// asked is what a path says.
type asked struct {
	route         string // with {} for names
	group, member string // of a consumer instance; "": none
	need          stream.Need
}

// look takes a path apart: its route, and what it needs of the log. Lists of topics, and the lag of groups, need all of them.
func look(escaped string) (a asked) {
	segments := strings.Split(strings.Trim(escaped, "/"), "/")
	topic, fixed := "", segments[0] == "v3"
	for i := 1; i < len(segments); i++ {
		name, before := segments[i], segments[i-1]
		text, _ := url.PathUnescape(name)
		switch {
		case before == "consumers" && i == 1:
			a.group = text
		case before == "instances" && i == 3:
			a.member = text
		case before == "topics" && (i == 1 || fixed || i == 5 && a.member != ""), before == "lags" && fixed:
			topic = text
			a.need.Topics = []string{topic}
		case before == "partitions" && (topic != "" || fixed):
			if n, err := strconv.ParseInt(name, 10, 32); err == nil && n >= 0 && i+1 < len(segments) {
				a.need.Partitions = map[string][]int32{topic: {int32(n)}}
			}
		case fixed && (before == "clusters" || before == "configs" || before == "consumer-groups" || before == "consumers"):
		default:
			continue
		}
		segments[i] = "{}"
	}
	a.route = strings.Join(segments, "/")
	switch {
	case segments[0] == "consumers" && a.member == "":
		a.group = "" // its consumers are made without a look at it
	case a.group == "":
		a.need.AllTopics = topic == "" || strings.HasPrefix(a.route, consumerGroups)
	}
	return a
}

// Writes are the routes of the function that produces.
func Writes(method, route string) bool {
	return method == http.MethodPost && one(route, "topics/{}", "topics/{}/partitions/{}", "producers", "v3/clusters/{}/topics/{}/records", "v3/clusters/{}/topics/{}/records:batch") ||
		method == http.MethodGet && one(route, "openapi.yaml", "v3/clusters", "v3/clusters/{}")
}

// Consumes are the routes of the function that reads: with a group, and without.
func Consumes(method, route string) bool {
	return consumes(method, route) || (method == http.MethodGet || method == http.MethodHead) && one(route, "openapi.yaml", "topics", "topics/{}", "topics/{}/partitions", "topics/{}/partitions/{}", "topics/{}/partitions/{}/offsets", "topics/{}/partitions/{}/records",
		"v3/clusters", "v3/clusters/{}", "v3/clusters/{}/topics", "v3/clusters/{}/topics/{}", "v3/clusters/{}/topics/{}/partitions", "v3/clusters/{}/topics/{}/partitions/{}", "v3/clusters/{}/topics/{}/partitions/{}/offset", consumerGroups, consumerGroups+"/{}", consumerGroups+"/{}/consumers", consumerGroups+"/{}/consumers/{}",
		consumerGroups+"/{}/consumers/{}/assignments", consumerGroups+"/{}/lags", consumerGroups+"/{}/lags/{}/partitions/{}", consumerGroups+"/{}/lag-summary")
}

const (
	consumerGroups = "v3/clusters/{}/consumer-groups"
	seat           = "consumers/{}/instances/{}"
)

// consumes are the routes of consumer instances.
func consumes(method, route string) bool {
	switch method {
	case http.MethodPost:
		return one(route, "consumers/{}", seat+"/subscription", seat+"/assignments", seat+"/offsets", seat+"/positions", seat+"/positions/beginning", seat+"/positions/end")
	case http.MethodGet, http.MethodHead:
		return one(route, seat+"/subscription", seat+"/assignments", seat+"/records", seat+"/topics/{}", seat+"/offsets")
	case http.MethodDelete:
		return one(route, seat, seat+"/subscription")
	}
	return false
}

// Administers are the routes of the function that administers topics.
func Administers(method, route string) bool {
	return one(route, "openapi.yaml", "v3/clusters", "v3/clusters/{}", "v3/clusters/{}/topics", "v3/clusters/{}/topics/{}", "v3/clusters/{}/topics/{}/configs", "v3/clusters/{}/topics/{}/configs:alter", "v3/clusters/{}/topics/{}/configs/{}",
		"v3/clusters/{}/topics/{}/partitions", "v3/clusters/{}/topics/{}/partitions/{}", "v3/clusters/{}/acls", "v3/clusters/{}/acls:batch")
}

func one(route string, list ...string) bool {
	for _, r := range list {
		if r == route {
			return true
		}
	}
	return false
}

package infra_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/functions/api"
)

// offers are the routes of the functions that HTTP reaches.
var offers = map[string]api.Offer{"Producer": api.Writes, "Consumer": api.Consumes, "Admin": api.Administers}

// route is one of the HTTP API's: * for a variable.
type route struct {
	method   string // ANY: all
	segments []string
	function string
}

var variable = regexp.MustCompile(`\{[^}]*\}`)

// httpRoutes reads http-api.yaml.
func httpRoutes(t *testing.T) (out []route, otherwise string) {
	t.Helper()
	for _, r := range load(t, "http-api.yaml", nil).get("Resources") {
		if r := r.(object); r["Type"] == "AWS::ApiGatewayV2::Route" {
			p := r["Properties"].(object)
			function := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(p["Target"].(object)["Fn::Sub"]), "integrations/${To"), "}")
			if offers[function] == nil {
				t.Errorf("%v goes to %q, which is no function", p["RouteKey"], function)
			}
			if p["AuthorizationType"] != "AWS_IAM" {
				t.Errorf("%v is open to anybody", p["RouteKey"])
			}
			method, path, ok := strings.Cut(p["RouteKey"].(string), " ")
			if !ok {
				otherwise = function
				continue
			}
			out = append(out, route{method, strings.Split(variable.ReplaceAllString(strings.Trim(path, "/"), "*"), "/"), function})
		}
	}
	return out, otherwise
}

// leads says where the API sends a request: the route with the most fixed segments, then one with a method.
func leads(routes []route, otherwise, method, path string) string {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	best, bestScore := otherwise, -1
	for _, r := range routes {
		if len(r.segments) != len(segments) || r.method != method && r.method != "ANY" {
			continue
		}
		score, fits := 0, true
		for i, s := range r.segments {
			fits = fits && (s == "*" || s == segments[i])
			if s != "*" {
				score += 2
			}
		}
		if r.method != "ANY" {
			score++
		}
		if fits && score > bestScore {
			best, bestScore = r.function, score
		}
	}
	return best
}

// notThere are requests that some function offers and the HTTP API does not lead to; http-api.yaml says why.
var notThere = map[string]bool{"POST v3/clusters/{}/topics/{}/configs:alter": true}

// Every request of openapi.yaml that some function offers is led to a function that offers it.
func TestHTTPAPI_LeadsEveryRequestToAFunctionThatOffersIt(t *testing.T) {
	routes, otherwise := httpRoutes(t)
	checked := 0
	for path, operations := range documents(t, "../core/rest/openapi.yaml")[0]["paths"].(object) {
		template := strings.Trim(variable.ReplaceAllString(path, "{}"), "/")
		for method := range operations.(object) {
			if method == "parameters" {
				continue
			}
			method = strings.ToUpper(method)
			var who []string
			for name, offer := range offers {
				if offer(method, template) {
					who = append(who, name)
				}
			}
			if len(who) == 0 || notThere[method+" "+template] {
				continue
			}
			checked++
			if to := leads(routes, otherwise, method, path); !offers[to](method, template) {
				t.Errorf("%s %s leads to %s, and %v offer it", method, path, to, who)
			}
		}
	}
	if checked < 40 {
		t.Errorf("checked %d requests: too few to be all", checked)
	}
}

package gateway

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"unicode/utf8"
)

// FuzzServe feeds any event. The handler gives back the body that it got: what comes out of a reply is what an
// event held.
func FuzzServe(f *testing.F) {
	f.Add([]byte(`{"rawPath":"/topics/t","rawQueryString":"a=b","headers":{"Host":"h"},"body":"eA==","isBase64Encoded":true,"requestContext":{"http":{"method":"POST"}}}`))
	f.Add([]byte(`{"httpMethod":"GET","path":"/a b","multiValueQueryStringParameters":{"x":["1","2"]},"multiValueHeaders":{"accept":["a"]},"body":"t","requestContext":{"elb":{}}}`))
	f.Add([]byte(`{"httpMethod":"GET\n","path":"//x%zz","headers":{"":"","a\n":"b"},"requestContext":{}}`))
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = r.URL.Query(), r.URL.EscapedPath()
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		reply, err := Serve(t.Context(), echo, raw, slog.New(slog.DiscardHandler))
		if err != nil || reply.StatusCode != http.StatusOK {
			return
		}
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("served, and cannot be read: %v", err)
		}
		want, err := []byte(e.Body), error(nil)
		if e.Base64 {
			want, err = base64.StdEncoding.DecodeString(e.Body)
		}
		got := []byte(reply.Body)
		if reply.IsBase64Encoded {
			got, err = base64.StdEncoding.DecodeString(reply.Body)
		}
		if err != nil || string(got) != string(want) || !reply.IsBase64Encoded && !utf8.Valid(got) {
			t.Fatalf("body %q came back as %q: %v", want, got, err)
		}
	})
}

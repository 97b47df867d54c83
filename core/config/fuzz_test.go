package config

import "testing"

// FuzzListeners feeds any text as listeners, addresses and sizes. What is taken is written to what is taken as the same.
func FuzzListeners(f *testing.F) {
	f.Add("kafka://h:1?tls=on&auth=scram,mtls&advertise=a:2&name=n")
	f.Add("n=127.0.0.1:9092")
	f.Add("[::1]:0")
	f.Add("8MiB")
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := ParseAddress(text); err == nil {
			if b, err := ParseAddress(a.String()); err != nil || b.Host != a.Host || b.Port != a.Port {
				t.Fatalf("%q is %v, and that is %v: %v", text, a, b, err)
			}
		}
		var size, again Bytes
		if err := size.UnmarshalText([]byte(text)); err == nil {
			if err := again.UnmarshalText([]byte(size.String())); err != nil || again != size || size < 0 {
				t.Fatalf("%q is %d, and that is %d: %v", text, size, again, err)
			}
		}
		s := Serving{Security: Security{Listen: []string{text}}}
		if list, err := s.Listeners(); err == nil && len(list) != 1 {
			t.Fatalf("%q makes %d listeners", text, len(list))
		}
		_ = s.Validate()
	})
}

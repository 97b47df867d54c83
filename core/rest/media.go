package rest

import (
	"mime"
	"strconv"
	"strings"
)

// Media types of the conventions:
//
//	application/vnd.kafka.<format>.v2+json   records in an embedded format: binary, json, text
//	application/vnd.kafka.v2+json            all else, or the usual format
//	application/vnd.kafka[.<format>].v1+json the same, as clients of version 1 say
//	application/json                         the same
const (
	mediaV2   = "application/vnd.kafka.v2+json"
	mediaJSON = "application/json"

	formatBinary = "binary" // keys and values in base64; where nothing is said
	formatJSON   = "json"
	formatText   = "text"
)

// media is a media type as the conventions read it.
type media struct {
	name   string // as it was given, without parameters
	format string // "" if it does not say
	any    bool   // "*/*" or "application/*"
}

// parseMedia reads a media type; ok is false for one of others.
func parseMedia(text string) (m media, params map[string]string, ok bool) {
	name, params, err := mime.ParseMediaType(text)
	if err != nil {
		return media{}, nil, false
	}
	m.name = name
	switch name {
	case "*/*", "application/*":
		m.any = true
		return m, params, true
	case mediaJSON:
		return m, params, true
	}
	rest, ours := strings.CutPrefix(name, "application/vnd.kafka.")
	rest, isJSON := strings.CutSuffix(rest, "+json")
	if !ours || !isJSON {
		return m, params, false
	}
	format, version, two := strings.Cut(rest, ".")
	if !two {
		format, version = "", rest
	}
	m.format = format
	return m, params, (version == "v2" || version == "v1") && (format == "" || knownFormat(format))
}

func knownFormat(f string) bool { return f == formatBinary || f == formatJSON || f == formatText }

// contentType checks the type of a body. None counts as application/json.
func contentType(header string, speaks dialect) (media, error) {
	if header == "" {
		return media{name: mediaJSON}, nil
	}
	m, params, ok := parseMedia(header)
	charset := params["charset"]
	switch {
	case charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii"):
		return m, failf(415, 415, "charset %q is not read here: send UTF-8", charset)
	case !ok || m.any, speaks == v3 && m.name != mediaJSON, speaks == v3Stream && m.name != mediaJSON:
		return m, failf(415, 415, "content type %q is not read here", header)
	}
	return m, nil
}

// acceptable chooses the type of the answer: the one that the client likes best.
func acceptable(headers []string, speaks dialect) (media, error) {
	usual := media{name: mediaV2}
	if speaks == v3 || speaks == v3Stream {
		usual.name = mediaJSON
	}
	text := strings.Join(headers, ",")
	if strings.TrimSpace(text) == "" || speaks == plain {
		return usual, nil
	}
	best, bestQ := media{}, 0.0
	for part := range strings.SplitSeq(text, ",") {
		m, params, ok := parseMedia(part)
		q := 1.0
		if given, has := params["q"]; has {
			parsed, err := strconv.ParseFloat(given, 64)
			if err != nil || parsed < 0 || parsed > 1 {
				continue
			}
			q = parsed
		}
		if (speaks == v3 || speaks == v3Stream) && !m.any && m.name != mediaJSON {
			ok = false
		}
		if ok && q > bestQ {
			best, bestQ = m, q
		}
	}
	switch {
	case bestQ == 0:
		return usual, failf(406, 406, "none of the media types %q can be given here", text)
	case best.any:
		return usual, nil
	}
	return best, nil
}

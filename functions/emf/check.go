package emf

import (
	"encoding/json"
	"errors"
	"fmt"
)

// errShape: CloudWatch would take a line for text.
var errShape = errors.New("not of the embedded metric format")

// Check holds a line against what CloudWatch asks of one, and gives the names of its metrics: each must be a number at the top of the
// line, each dimension a text, at most 30 dimensions and 100 metrics, units that it knows.
func Check(text []byte) (metrics []string, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("%w: %w", errShape, err)
	}
	var d directive
	if err := json.Unmarshal(fields["_aws"], &d); err != nil || d.Timestamp <= 0 || len(d.Metrics) == 0 {
		return nil, fmt.Errorf("%w: _aws is %s", errShape, fields["_aws"])
	}
	for _, set := range d.Metrics {
		if set.Namespace == "" || len(set.Dimensions) == 0 || len(set.Metrics) > metricsMax {
			return nil, fmt.Errorf("%w: %d sets of dimensions, %d metrics", errShape, len(set.Dimensions), len(set.Metrics))
		}
		for _, names := range set.Dimensions {
			for _, name := range names {
				var text string
				if json.Unmarshal(fields[name], &text) != nil || text == "" || len(names) > 30 {
					return nil, fmt.Errorf("%w: dimension %s", errShape, name)
				}
			}
		}
		for _, m := range set.Metrics {
			var number float64
			if json.Unmarshal(fields[m.Name], &number) != nil || m.Unit != Count && m.Unit != Bytes && m.Unit != Milliseconds {
				return nil, fmt.Errorf("%w: metric %s in %s", errShape, m.Name, m.Unit)
			}
			metrics = append(metrics, m.Name)
		}
	}
	return metrics, nil
}

package tracing

import (
	"context"
	"errors"
	"testing"
)

func TestTrace_ThatIsOffAllocatesNothing(t *testing.T) {
	var off Trace
	ctx, err := context.WithCancel(context.Background())
	defer err()
	failed := errors.New("failed")
	allocated := testing.AllocsPerRun(100, func() {
		in, span := off.Start(ctx, Server, "kafka Produce")
		in = off.Under(off.Join(in, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""), off.Here(in))
		_, flush := off.StartAmong(in, "flush", nil)
		span.Name("other")
		span.Text("key", "value")
		span.Number("bytes", 1<<40)
		span.Fail(failed)
		flush.End()
		span.End()
	})
	if allocated != 0 || off.On() {
		t.Errorf("%v allocations", allocated)
	}
}

package differential

import (
	"os"
	"strings"
	"testing"
)

// supportedDoc is where the table for Apache Kafka is shown.
const supportedDoc = "../../docs/SUPPORTED.md"

func TestSupported_ShowsTheTable(t *testing.T) {
	doc, err := os.ReadFile(supportedDoc)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), Section(onPurpose())) {
		t.Errorf("%s does not show the table of differences: run make test-differential", supportedDoc)
	}
}

# What is handed out: programs for four platforms, the functions, what they are made of, and sums of all of it, in dist/release.
# Nothing in them depends on where or when they are built: make release-check.
VERSION ?= $(shell git describe --tags --always 2>/dev/null || echo unknown)
REVISION ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
RELEASE := dist/release
GOVULNCHECK_VERSION ?= v1.1.4

# The SBOM is made of what each program says of itself (go version -m): no other tool is needed.
.PHONY: release
release: release-binaries ## dist/release: firnlog for linux and darwin on amd64 and arm64, functions, SBOMs, Dockerfile, SHA256SUMS (make release VERSION=v1.2.3)
	GOFLAGS=-buildvcs=false $(MAKE) -s package
	cp $(patsubst %,dist/%.zip,$(FUNCTIONS)) infra/Dockerfile $(RELEASE)/
	@for p in $(patsubst %,$(RELEASE)/firnlog-%,$(subst /,-,$(PLATFORMS))); do python3 infra/release_sbom.py $$p "$(VERSION)" > $$p.cdx.json || exit 1; done
	@for f in $(FUNCTIONS); do python3 infra/release_sbom.py dist/$$f/bootstrap "$(VERSION)" > $(RELEASE)/$$f.cdx.json || exit 1; done
	cd $(RELEASE) && rm -f SHA256SUMS && sha256sum * > SHA256SUMS && cat SHA256SUMS

.PHONY: release-binaries
release-binaries:
	rm -rf $(RELEASE) && mkdir -p $(RELEASE)
	@for p in $(PLATFORMS); do \
		echo "firnlog $(VERSION) for $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -buildvcs=false \
			-ldflags '-s -w -buildid= -X main.release=$(VERSION) -X main.revision=$(REVISION)' \
			-o $(RELEASE)/firnlog-$${p/\//-} ./cmd/firnlog || exit 1; \
	done

# The second build finds nothing of the first: another folder, another cache.
.PHONY: release-check
release-check: ## the release of HEAD built twice, in two folders and with two caches, must be the same bytes (PLATFORMS=linux/amd64 for one of them)
	infra/release_check.sh "$(VERSION)" "$(REVISION)" "$(PLATFORMS)"

$(TOOLS)/govulncheck:
	GOBIN=$(TOOLS) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

.PHONY: vulncheck
vulncheck: $(TOOLS)/govulncheck ## known vulnerabilities that firnlog's code reaches (needs https://vuln.go.dev, or GOVULNDB=file:///copy)
	govulncheck $(if $(GOVULNDB),-db $(GOVULNDB)) ./cmd/... ./functions/...

.PHONY: configuration
configuration: ## write docs/CONFIGURATION.md from the settings' structs
	go test ./cmd/firnlog -run TestConfiguration_TheReference -count=1 -args -write

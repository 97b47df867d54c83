# Templates for AWS and Kubernetes: checking them without either, and putting the stack up.
INFRA_CACHE := $(CACHE)/infra
STACK ?= firnlog
PARAMS ?=
ARTIFACTS ?=

.PHONY: infra-check
infra-check: system-packages ## cfn-lint on the AWS templates, schemas on the Kubernetes ones, and what ties both to the code
	@$(MAKE) -s $(INFRA_CACHE)/python/installed
	$(INFRA_CACHE)/python/bin/cfn-lint --regions us-east-1 eu-central-1 --ignore-checks W3002 --non-zero-exit-code warning --template infra/sam/*.yaml
	$(INFRA_CACHE)/python/bin/kubernetes-validate --strict --quiet $$(ls infra/kustomize/*/*.yaml | grep -v /kustomization.yaml)
	@$(MAKE) -s $(INFRA_CACHE)/promtool
	$(INFRA_CACHE)/promtool check rules infra/prometheus/alerts.yaml
	$(INFRA_CACHE)/promtool test rules infra/prometheus/alerts_test.yaml
	go test ./infra

# promtool alone, out of Debian's package: Prometheus itself is not installed.
$(INFRA_CACHE)/promtool:
	@echo "fetching promtool"
	@mkdir -p $(@D) && rm -rf $(@D)/prometheus && mkdir $(@D)/prometheus
	cd $(@D)/prometheus && apt-get update -qq && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .
	@cp $(@D)/prometheus/usr/bin/promtool $@ && rm -rf $(@D)/prometheus

$(INFRA_CACHE)/python/installed: infra/requirements.txt
	@echo "installing cfn-lint and kubernetes-validate"
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@

.PHONY: deploy
deploy: ## build the functions and put the stack up on AWS: make deploy STACK=name [ARTIFACTS=bucket] [PARAMS="Name=Value …"]
	@infra/deploy --check
	@$(MAKE) package dist/etcd
	@infra/deploy "$(STACK)" "$(ARTIFACTS)" $(PARAMS)

# The program of etcd that instances fetch: the same that the tests run.
.PHONY: dist/etcd
dist/etcd:
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -buildid=' -o $@ ./localstack/etcd/cmd

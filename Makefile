# Everything that is done with this project, in one word each. Node, Go and make are all it needs: what demo and test take of the system besides
# is installed where they may (as root, with apt-get), and named where they may not.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help demo test unit bench lint build image dockerfile binaries clean

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

# `npm ci` would refuse: not every registry has the optional packages of every platform, and the lock file holds those that there are.
# npm brings the Node that the project runs on (node_modules/.bin/node), so the host's own may be older.
node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "error: npm is not installed; it comes with Node.js, 20 or later"; exit 1; }
	@echo "installing packages with npm"
	@npm install --no-save --ignore-scripts --no-fund --no-audit --loglevel=error
	@node --version | sed 's/^/running on Node /'
	@touch $@

binaries: node_modules/.installed ## build the servers that tests and demo run on (cached outside the tree)
	@node test/cluster/build.ts

demo: node_modules/.installed ## back up a platform, lose it, restore it on an empty cluster, validate
	@node test/cluster/system-packages.ts demo
	@node deploy/bundle.ts
	@node test/demo/main.ts

test: node_modules/.installed ## the whole suite, on real servers
	@node test/cluster/system-packages.ts tests
	@node test/cluster/build.ts
	@vitest run $(VITEST_ARGS)

unit: node_modules/.installed ## only the tests that need no server
	@vitest run --project unit

bench: node_modules/.installed ## measure against the peers, write bench/results/
	@node bench/main.ts

lint: node_modules/.installed ## format, lint and type check
	@biome check --error-on-warnings .
	@tsc --noEmit

build: node_modules/.installed ## bundle into dist/
	@node deploy/bundle.ts
	@echo "built dist/; start it with bin/holdfast"

image: node_modules/.installed ## an OCI image in .demo/, without a Docker daemon
	@node test/cluster/holdfast-image.ts

dockerfile: node_modules/.installed ## build deploy/Dockerfile with a Docker engine of its own (root, dockerd), and look at the image
	@HOLDFAST_TEST_DOCKERFILE=1 vitest run --project real test/cluster/dockerfile.test.ts

clean: ## remove what was built here; the cache outside the tree stays
	@rm -rf dist node_modules .demo coverage

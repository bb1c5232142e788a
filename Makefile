PYTHON ?= python3
VENV := .venv/bin/python
PYTEST := -m pytest --numprocesses 2 --dist loadfile
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: venv demo test lint unit host js browser bench composition derived demo-model demo-figures fuzz soak turns clean

venv: .venv/installed

# The constraints are for this virtual environment alone; users' requirements stay loose.
.venv/installed: requirements.txt requirements-shell.txt requirements-train.txt requirements-dev.txt constraints.txt
	$(PYTHON) -m venv .venv
	$(VENV) -m pip install --quiet --constraint constraints.txt --requirement requirements-dev.txt
	touch $@

demo: venv
	$(VENV) -m cfld_modules demo --out output/demo.png

test: lint unit js host

lint: venv
	$(VENV) -m ruff check .
	$(VENV) -m mypy

unit: venv
	$(VENV) $(PYTEST) tests --ignore tests/host

# Under the host's own Python, as it is: what is installed in it keeps its version, and nothing of requirements.txt is
# installed, since the host brings all of it. What the tests compare with runs in .venv.
host: venv
	@if python=$$($(VENV) tests/host/host.py); then \
	  $$python -m pip freeze --all 2>/dev/null | grep '==' > .venv/host-constraints.txt; \
	  $$python -m pip install --quiet --constraint .venv/host-constraints.txt \
	    pytest pytest-xdist websocket-client controlnet_aux scikit-image && \
	  $$python $(PYTEST) tests/host; \
	else echo "HOST TESTS SKIPPED (reason above)"; fi

# What follows from the nodes' schemas and from the workflows: README's table of nodes, and the workflows' API twins.
derived: venv
	@python=$$($(VENV) tests/host/host.py) && $$python tests/host/node_definitions.py
	@npm install --silent --no-audit --no-fund && node tests/browser/write_twins.mjs

# docs/composition.md, remeasured: its text up to the table, and the table.
composition: venv
	@sed -i '/^| graph/,$$d' docs/composition.md
	@printf '| graph | largest difference | at most |\n|---|---|---|\n' >> docs/composition.md
	@python=$$($(VENV) tests/host/host.py) && COMPOSITION_TABLE=docs/composition.md $$python -m pytest tests/host/test_composition_*.py

# The demo model anew, in days of CPU time: people are drawn, then the numbered stages of configs/demo, each going on where it
# was stopped. Its files are in output/demo_model, to be put in the place of demo_model when their scores are better.
# GARMENTS is the folder of MakeHuman's assets (docs/training.md).
GARMENTS ?=
MADE := output/demo_model
TWO := ACCELERATE_USE_CPU=true OMP_NUM_THREADS=1 $(VENV) -m torch.distributed.run --standalone --nproc_per_node 2 -m cfld_modules
demo-model: venv
	$(VENV) -m cfld_modules data people --out output/people --count 1100 $(if $(GARMENTS),--garments $(GARMENTS))
	$(VENV) -m cfld_modules train-autoencoder configs/demo/1_decoder.yaml
	$(TWO) train configs/demo/2_model.yaml
	rm -rf $(MADE) && mkdir -p $(MADE)/base
	cp -r output/people_model/base/unet $(MADE)/base/
	cp -r output/people_decoder/autoencoder $(MADE)/base/vae
	cp output/people_model/cfld.safetensors $(MADE)/
	$(VENV) -m cfld_modules distil configs/demo/3_lora.yaml --set teacher.base=$(MADE)/base teacher.cfld=$(MADE)/cfld.safetensors
	$(VENV) -m cfld_modules data people --out output/people_large --count 150 --test-count 2 --height 512 \
	  $(if $(GARMENTS),--garments $(GARMENTS))
	$(VENV) -m cfld_modules train-upscaler configs/demo/4_upscaler.yaml
	mkdir -p $(MADE)/loras $(MADE)/upscale_models
	cp output/demo_distil/lora.safetensors $(MADE)/loras/cfld_demo_few_steps.safetensors
	cp output/upscaler/upscaler.safetensors $(MADE)/upscale_models/cfld_demo_x2.safetensors

# What docs/training.md says of the demo model in use: pictures into web/docs/images, figures into output/ and
# to the terminal. To be run when the demo model has changed; takes what `demo-model` takes, and its people.
demo-figures: venv
	@python=$$($(VENV) tests/host/host.py) && mkdir -p output && $$python benchmarks/editing.py | tee output/editing.json
	rm -rf output/augmentation
	$(VENV) -m benchmarks.augmentation --data output/people --out output/augmentation
	$(VENV) -m cfld_modules evaluate-turning --people 12 $(if $(GARMENTS),--garments $(GARMENTS))

js:
	@if command -v node > /dev/null; then node --test tests/js/*.test.mjs; \
	else echo "JAVASCRIPT TESTS SKIPPED: no node"; fi

# Opens the real page of a host: its own, and another version of it where there is one, such as the newest of the package
# index: pip download --no-deps comfyui-frontend-package, of which the folder comfyui_frontend_package/static is wanted.
FRONTEND ?= $(HOME)/comfy/frontend-newest
CHROMIUM_PATH ?= /usr/bin/chromium
export CHROMIUM_PATH
browser: venv
	@if ! command -v npm > /dev/null; then echo "BROWSER TESTS SKIPPED: no npm"; \
	elif [ ! -x "$(CHROMIUM_PATH)" ]; then echo "BROWSER TESTS SKIPPED: no Chromium at $(CHROMIUM_PATH); set CHROMIUM_PATH"; \
	elif ! $(VENV) tests/host/host.py > /dev/null; then echo "BROWSER TESTS SKIPPED (reason above)"; \
	elif ! npm install --silent --no-audit --no-fund; then echo "BROWSER TESTS SKIPPED: npm could not install its packages"; \
	else \
	  echo "BROWSER TESTS in the host's own page"; node --test --test-concurrency=1 tests/browser/*.test.mjs || exit; \
	  if [ -e "$(FRONTEND)/index.html" ]; then echo "BROWSER TESTS in the page of $(FRONTEND)"; \
	    COMFYUI_FRONTEND="$(FRONTEND)" node --test --test-concurrency=1 tests/browser/*.test.mjs; \
	  else echo "BROWSER TESTS of a second page SKIPPED: no $(FRONTEND); set FRONTEND"; fi; fi

# Writes output/benchmarks/*.{json,md} and output/quality/*. Nothing else should run meanwhile.
bench: venv
	@python=$$($(VENV) tests/host/host.py) && for name in parts overhead instead listing first_picture memory; do \
	  $$python benchmarks/$$name.py || exit; done
	$(VENV) benchmarks/around.py
	$(VENV) benchmarks/published.py
	$(VENV) benchmarks/loading.py
	$(VENV) benchmarks/scaling.py
	$(VENV) benchmarks/quality.py $(if $(wildcard output/people),--data output/people)

# An hour or two at the lowest priority: 100,000 inputs a target where one costs under a millisecond, else ten minutes.
fuzz: venv
	nice -n 19 $(VENV) -W ignore -m tests.fuzz

# Two real servers on one folder, 100 prompts to each; then servers and commands that are killed at any moment.
soak: venv
	@python=$$($(VENV) tests/host/host.py) && for name in soak kills_of_saves; do \
	  PYTHONPATH=. nice -n 19 $$python tests/host/$$name.py || exit; done
	nice -n 19 $(VENV) -m tests.kills

# Graphs with other packs (COMFYUI_PACKS) one after the other in one server, against each alone in a fresh one.
turns: venv
	@python=$$($(VENV) tests/host/host.py) && PYTHONPATH=. nice -n 19 $$python tests/host/graphs_in_turn.py --seeds 1 2

clean:
	rm -rf .venv output node_modules

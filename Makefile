# SPDX-License-Identifier: Apache-2.0
# A façade: Meson does the work. make, make check, make install DESTDIR=…

BUILD = build/release

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

check: all
	meson test -C $(BUILD) --suite unit

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf build

.PHONY: all check install clean

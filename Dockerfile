# One image with every program, and nothing else: no shell, no package manager. Compose picks a program by command;
# with none, `docker run IMAGE` runs the whole pipeline in one process. It is one file under four names, and does what
# the name says that it is called by.

# The images that this one is built from. To have the very same ones again, name them by digest:
# `--build-arg RUNTIME_IMAGE=gcr.io/distroless/cc-debian13@sha256:...`. Compose hands on variables of these names.
ARG RUST_IMAGE=rust:1.95-slim-trixie
ARG DEBIAN_IMAGE=debian:trixie-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian13:nonroot

# --- What decides which dependencies are built and how: the manifests, with an empty program or library for each
# --- target. It comes out the same after any edit of code, and then so does the dependencies' layer below.
FROM $RUST_IMAGE AS manifests
WORKDIR /src
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock \
        ! -path './*/src/main.rs' ! -path './*/src/lib.rs' ! -path './*/src/bin/*.rs' ! -path './*/benches/*.rs' \
        -delete \
    && find . -name '*.rs' | while read -r file; do echo 'fn main() {}' >"$file"; done \
    && find . -depth -type d -empty -delete

# --- What the programs are built from: a model that is put into ./data builds nothing anew.
FROM $RUST_IMAGE AS sources
WORKDIR /src
COPY . .
RUN rm -r data

FROM $RUST_IMAGE AS build
WORKDIR /src
ENV CARGO_TERM_COLOR=never \
    BUILD="--release --locked -p pipeline --features tls,traces,png"

# --- The dependencies.
COPY --from=manifests /src .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cargo build $BUILD

# --- The programs. The touch is for cargo, which goes by time: what was edited before the layer above was built
# --- would count as built.
COPY --from=sources /src .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build $BUILD \
    && mkdir -p /out/bin /out/logs /out/versions \
    && cp target/release/pipeline /out/bin/ \
    && for name in features model metric; do ln -s pipeline /out/bin/$name; done

# --- ONNX Runtime, for the target `onnx` alone. Its package for Python has the library in one file; what that needs
# --- besides is the C++ library, which not every base image has.
FROM $DEBIAN_IMAGE AS onnxruntime
ARG ONNXRUNTIME_VERSION=1.32.0
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-pip libstdc++6 \
    && pip download --quiet --no-deps --dest /tmp/wheel onnxruntime==$ONNXRUNTIME_VERSION \
    && python3 -m zipfile -e /tmp/wheel/*.whl /tmp/package \
    && mkdir /out \
    && cp /tmp/package/onnxruntime/capi/libonnxruntime.so.* /out/libonnxruntime.so \
    && cp -L /usr/lib/*-linux-gnu/libstdc++.so.6 /out/

FROM $RUNTIME_IMAGE AS programs
COPY --from=build /out/bin/ /usr/local/bin/
COPY --chmod=644 data/diabetes.csv data/model.json /app/data/
COPY --from=build --chown=65532:65532 /out/logs/ /app/logs/
COPY --from=build --chown=65532:65532 /out/versions/ /app/versions/
WORKDIR /app
USER 65532:65532
ENV PIPELINE_ADMIN_ADDR=0.0.0.0:9100 \
    PIPELINE_PAGE_ADDR=0.0.0.0:5000
EXPOSE 9100 5000
# Every program has this command; compose names the right one for each service.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["pipeline", "healthcheck"]
CMD ["pipeline"]

# --- `docker build --target onnx`: the same with ONNX Runtime beside, about 30 MB more.
FROM programs AS onnx
COPY --from=onnxruntime /out/ /usr/local/lib/onnxruntime/
ENV ORT_DYLIB_PATH=/usr/local/lib/onnxruntime/libonnxruntime.so \
    LD_LIBRARY_PATH=/usr/local/lib/onnxruntime

# --- What is built when nothing else is asked for.
FROM programs AS plain

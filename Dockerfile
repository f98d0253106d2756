# The two images, from what `npm run build` has put under out/:
#
#     docker build --target operator -t penstock-operator .
#     docker build --target worker   -t penstock-worker .
#
# The base needs Node 24, its libraries, CA certificates and a user 65532; no shell, no package manager. `npm run images`
# makes one of the machine's own Node, and builds without a registry.
ARG BASE_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM ${BASE_IMAGE} AS base
# Where distroless, and where other bases have node.
ENV PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin NODE_ENV=production
COPY LICENSE /LICENSE
USER 65532:65532

FROM base AS operator
COPY out/operator /penstock
EXPOSE 8080
# With thousands of pools a young generation as large as Node's leaves no room in the heap that a container gets, and each
# collection becomes a full one: docs/adr/0043-a-small-young-generation.md.
ENTRYPOINT ["node", "--max-semi-space-size=8", "/penstock/main.mjs"]

FROM base AS worker
# Here `import … from 'penstock/worker'` finds it, wherever the handler is.
COPY out/worker /node_modules/penstock
# Compiled once here, for the user that will run it: a root file system that is read-only keeps no cache of its own.
ENV NODE_COMPILE_CACHE=/home/nonroot/.cache
RUN ["node", "/node_modules/penstock/index.mjs"]
EXPOSE 9464
ENTRYPOINT ["node", "/node_modules/penstock/main.mjs"]
CMD ["/app/handler.mjs"]

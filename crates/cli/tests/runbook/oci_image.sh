# Writes an image into the folder $1 as `docker build` would, its one layer holding the text $2.
set -eu
mkdir -p "$1/blobs/sha256"
blob() {
    digest=$(sha256sum "$1/$2" | cut -d' ' -f1)
    size=$(stat -c %s "$1/$2")
    mv "$1/$2" "$1/blobs/sha256/$digest"
}
echo "$2" > "$1/text"
tar -C "$1" -cf "$1/layer" text
rm "$1/text"
blob "$1" layer
layer=$digest layer_size=$size
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$layer" > "$1/config"
blob "$1" config
config=$digest config_size=$size
type=application/vnd.oci.image
printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"%s.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
    "$type" "$type" "$config" "$config_size" "$type" "$layer" "$layer_size" > "$1/manifest"
blob "$1" manifest
printf '{"imageLayoutVersion":"1.0.0"}' > "$1/oci-layout"
printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json","digest":"sha256:%s","size":%s}]}' \
    "$type" "$digest" "$size" > "$1/index.json"

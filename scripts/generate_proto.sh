#!/bin/sh
# Generates Sources/GrapeProto from protos/. What it writes is committed, so that building Grape needs no protoc.
# Needs Debian's protobuf-compiler.
set -eu
cd "$(dirname "$0")/.."
swift build -c release --product protoc-gen-swift
swift build -c release --product protoc-gen-grpc-swift-2
bin=$(swift build -c release --show-bin-path)
out=Sources/GrapeProto
set -- grape/v1/grape.proto grpc/health/v1/health.proto grpc/reflection/v1/reflection.proto
protoc -I protos --plugin="$bin/protoc-gen-swift" --plugin="$bin/protoc-gen-grpc-swift-2" \
    --swift_out="$out" --swift_opt=Visibility=Package,FileNaming=DropPath \
    --grpc-swift-2_out="$out" --grpc-swift-2_opt=Visibility=Package,Server=true,Client=true,FileNaming=DropPath "$@"
# Reflection hands out the descriptors themselves.
descriptors=$(protoc -I protos --include_imports --descriptor_set_out=/dev/stdout "$@" | base64 -w 0 | fold -w 96 |
    sed 's/^/        /; s/$/\\/')
cat >"$out/Descriptors.swift" <<SWIFT
// DO NOT EDIT.
// swift-format-ignore-file
//
// Written by scripts/generate_proto.sh.

/// The services and messages of protos/, for reflection.
package enum Descriptors {
    /// A serialized \`google.protobuf.FileDescriptorSet\` in base64.
    package static let fileSet = """
$descriptors

        """
}
SWIFT

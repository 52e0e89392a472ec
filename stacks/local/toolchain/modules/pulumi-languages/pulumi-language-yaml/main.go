// SPDX-License-Identifier: Apache-2.0

// pulumi-language-yaml is YAML's own language host, and answers one call more: the newest one that is published does not know
// the Link of the engine that the toolchain builds, with which `pulumi package add` ends.
package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-yaml/pkg/server"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"sansproxy/toolchain/pulumi-languages/serving"
)

type host struct {
	pulumirpc.LanguageRuntimeServer
}

// Link has nothing to change: the engine itself writes the package into Pulumi.yaml, where the program finds it.
func (host) Link(_ context.Context, request *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	names := []string{}
	for _, linked := range request.GetPackages() {
		names = append(names, linked.GetPackage().GetName())
	}
	return &pulumirpc.LinkResponse{
		ImportInstructions: fmt.Sprintf("You can use resources of %s in Pulumi.yaml.\n", strings.Join(names, ", ")),
	}, nil
}

func main() {
	serving.Main(func(_ context.Context, engine string) pulumirpc.LanguageRuntimeServer {
		return host{server.NewLanguageHost(engine, "", false /* useRPCLoader */)}
	})
}

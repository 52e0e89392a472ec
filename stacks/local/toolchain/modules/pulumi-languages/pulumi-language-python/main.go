// SPDX-License-Identifier: Apache-2.0

// pulumi-language-python is a stand-in for the official language host of that name, whose Go module is not published.
// It joins the official parts that are: the generator of SDKs, the Python toolchains, and pulumi-language-python-exec,
// which runs the program and has to be on PATH. What it does not answer needs the official host.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"sansproxy/toolchain/pulumi-languages/serving"
)

// host answers the engine's LanguageRuntime service.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
	// running is done when the engine cancels the update, or goes away.
	running context.Context
	cancel  context.CancelFunc
}

func main() {
	serving.Main(func(running context.Context, engine string) pulumirpc.LanguageRuntimeServer {
		running, cancel := context.WithCancel(running)
		return &host{engine: engine, running: running, cancel: cancel}
	})
}

func (h *host) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	if address := request.GetEngineAddress(); address != "" {
		h.engine = address
	}
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version + "+stand-in"}, nil
}

// GetRequiredPackages asks the engine for nothing: providers are looked up when a resource needs one.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) GetRequiredPlugins(
	context.Context, *pulumirpc.GetRequiredPluginsRequest,
) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return &pulumirpc.GetRequiredPluginsResponse{}, nil
}

func (h *host) RuntimeOptionsPrompts(
	context.Context, *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

func (h *host) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	info := request.GetInfo()
	if info == nil {
		return nil, errors.New("the engine did not say which project it asks about")
	}
	python, err := toolchainOf(info)
	if err != nil {
		return nil, err
	}
	found, err := python.About(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{
		Executable: found.Executable,
		Version:    fmt.Sprintf("%s (stand-in language host of sansproxy)", found.Version),
	}, nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
)

// alreadyReported is the exit code of a program that has itself told the user what is wrong.
const alreadyReported = 32

// toolchainOf gives the Python of a project, by the options of its runtime.
func toolchainOf(info *pulumirpc.ProgramInfo) (toolchain.Toolchain, error) {
	options := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	given := info.GetOptions().AsMap()
	if virtualenv, ok := given["virtualenv"].(string); ok {
		options.Virtualenv = virtualenv
	}
	switch name := given["toolchain"]; name {
	case nil, "", "pip":
		options.Toolchain = toolchain.Pip
	case "poetry":
		options.Toolchain = toolchain.Poetry
	case "uv":
		options.Toolchain = toolchain.Uv
	default:
		return nil, fmt.Errorf("runtime.options.toolchain of Pulumi.yaml is %v; use pip, poetry or uv", name)
	}
	return toolchain.ResolveToolchain(options)
}

// Run runs the program with the official runner, in the project's own Python.
func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	info := request.GetInfo()
	if info == nil {
		return nil, errors.New("the engine did not say which program to run")
	}
	runner, err := runnerOnPath()
	if err != nil {
		return nil, err
	}
	python, err := toolchainOf(info)
	if err != nil {
		return nil, err
	}
	if err := python.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	// What is empty arrives as nil, which JSON would call null, and the runner wants an object and a list.
	config, err := json.Marshal(maps.Collect(maps.All(request.GetConfig())))
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal(append([]string{}, request.GetConfigSecretKeys()...))
	if err != nil {
		return nil, err
	}
	command, err := python.Command(h.running, arguments(runner, h.engine, request)...)
	if err != nil {
		return nil, err
	}
	if command.Env == nil {
		command.Env = os.Environ()
	}
	command.Env = append(command.Env, "PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secrets))
	command.Dir = info.GetProgramDirectory()
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	var ended *exec.ExitError
	switch err := command.Run(); {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &ended) && ended.ExitCode() == alreadyReported:
		return &pulumirpc.RunResponse{Bail: true}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program did not end well: %v", err)}, nil
	}
}

// runnerOnPath finds the SDK's own runner: a script that Python reads, so that it need not be executable.
func runnerOnPath() (string, error) {
	const name = "pulumi-language-python-exec"
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		if path := filepath.Join(folder, name); isFile(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s, which comes with Pulumi, is not on PATH", name)
}

func isFile(path string) bool {
	found, err := os.Stat(path)
	return err == nil && found.Mode().IsRegular()
}

// arguments are the runner's; one that has no value is left out.
func arguments(runner, engine string, request *pulumirpc.RunRequest) []string {
	info := request.GetInfo()
	args := []string{runner}
	for _, option := range [][2]string{
		{"--monitor", request.GetMonitorAddress()},
		{"--engine", engine},
		{"--project", request.GetProject()},
		{"--root_directory", info.GetRootDirectory()},
		{"--stack", request.GetStack()},
		{"--pwd", info.GetProgramDirectory()},
		{"--dry_run", strconv.FormatBool(request.GetDryRun())},
		{"--parallel", strconv.Itoa(int(request.GetParallel()))},
		{"--organization", request.GetOrganization()},
	} {
		if option[1] != "" {
			args = append(args, option[0], option[1])
		}
	}
	args = append(args, filepath.Join(info.GetProgramDirectory(), info.GetEntryPoint()))
	return append(args, request.GetArgs()...)
}

// InstallDependencies makes the project's virtual environment and installs what the project names.
func (h *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest, server pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	python, err := toolchainOf(request.GetInfo())
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(server, request.GetIsTerminal())
	if err != nil {
		return err
	}
	// What it says goes to the user in any case; that closing the streams fails adds nothing.
	defer func() { _ = closer.Close() }()
	return python.InstallDependencies(h.running, request.GetInfo().GetProgramDirectory(),
		request.GetUseLanguageVersionTools(), true, stdout, stderr)
}

// SPDX-License-Identifier: Apache-2.0

// Package serving runs a language host as the engine starts it: its address as the first argument, the port as first line.
package serving

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// Host makes the language host for the engine at an address; running is done when that engine interrupts or is gone.
type Host func(running context.Context, engine string) pulumirpc.LanguageRuntimeServer

// Main answers until the engine has no more use for the host.
func Main(host Host) {
	flag.String("root", "", "folder of the project; the engine names it in each request too")
	flag.String("tracing", "", "ignored")
	flag.Parse()
	if err := serve(flag.Arg(0), host); err != nil {
		cmdutil.Exit(err)
	}
}

func serve(engine string, host Host) error {
	running, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if engine != "" {
		if err := rpcutil.Healthcheck(running, engine, 5*time.Minute, cancel); err != nil {
			return fmt.Errorf("the engine at %s does not answer: %w", engine, err)
		}
	}
	stop := make(chan bool)
	go func() {
		<-running.Done()
		close(stop)
	}()
	listening, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: stop,
		Init: func(registrar *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(registrar, host(running, engine))
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(listening.Port)
	return <-listening.Done
}

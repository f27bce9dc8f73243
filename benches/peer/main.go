// A small controller for DirectConnectConnection resources, built the usual way with controller-runtime and the AWS SDK for
// Go v2. It is what the operator is measured beside; see README.md. It has no guard: it is not for real lines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/directconnect"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"directconnect-operator.dev/benches/peer/api"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run takes `run` and flags that are named as the operator's, so that both are started alike.
func run() error {
	flags := flag.NewFlagSet("peer", flag.ExitOnError)
	resync := flags.Duration("poll-interval", time.Minute, "how often each connection is read")
	workers := flags.Int("concurrency", 16, "reconciles at once")
	namespace := flags.String("watch-namespace", "", "the namespace to serve")
	leaseNamespace := flags.String("lease-namespace", "", "namespace of the Lease")
	address := flags.String("http-address", "127.0.0.1:0", "where to serve /healthz and /readyz")
	if len(os.Args) < 2 || os.Args[1] != "run" {
		return errors.New("usage: peer run [flags]")
	}
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	ctrl.SetLogger(zap.New())

	scheme := runtime.NewScheme()
	if err := api.AddToScheme(scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{*namespace: {}},
			DefaultTransform:  cache.TransformStripManagedFields(),
		},
		Metrics:                       server.Options{BindAddress: "127.0.0.1:0"},
		LeaderElection:                true,
		LeaderElectionID:              "directconnect-operator",
		LeaderElectionNamespace:       *leaseNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	if err := serveHealth(ctx, mgr, *address); err != nil {
		return err
	}

	awsConfig, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	reconciler := Reconciler{Client: mgr.GetClient(), AWS: directconnect.NewFromConfig(awsConfig), Resync: *resync}
	if err := reconciler.SetupWithManager(mgr, *workers); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// serveHealth serves the health endpoints on a listener of its own, so that a free port can be chosen and told: the manager
// does not say which one it took. It is ready once it knows all resources.
func serveHealth(ctx context.Context, mgr manager.Manager, address string) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &api.DirectConnectConnection{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	synced := func(*http.Request) error {
		if !informer.HasSynced() {
			return errors.New("the cache is not filled yet")
		}
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/healthz", http.StripPrefix("/healthz", &healthz.Handler{}))
	mux.Handle("/readyz", http.StripPrefix("/readyz", &healthz.Handler{Checks: map[string]healthz.Checker{"cache": synced}}))
	fmt.Printf("{\"message\":\"serving\",\"address\":%q}\n", listener.Addr())
	return mgr.Add(&manager.Server{
		Name:     "health",
		Server:   &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second},
		Listener: listener,
	})
}

// What Flux makes of resources, by its own libraries.
//
//	flux health KUSTOMIZATION FILE...    what it reads from them, a line for each file: by kstatus, tab, by the
//	                                     healthCheckExprs of KUSTOMIZATION
//	flux apply [KUSTOMIZATION]           applies the manifests of standard input to the cluster of KUBECONFIG as
//	                                     kustomize-controller does, with the commonMetadata of KUSTOMIZATION
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	var err error
	switch arguments := os.Args[1:]; {
	case len(arguments) >= 3 && arguments[0] == "health":
		err = health(arguments[1], arguments[2:])
	case len(arguments) >= 1 && len(arguments) <= 2 && arguments[0] == "apply":
		err = apply(context.Background(), arguments[1:], os.Stdin)
	default:
		fmt.Fprintln(os.Stderr, "usage: flux health KUSTOMIZATION FILE... | flux apply [KUSTOMIZATION]")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

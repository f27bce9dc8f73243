package main

import (
	"context"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func health(kustomization string, files []string) error {
	var parsed struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	text, err := os.ReadFile(kustomization)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		return err
	}
	if len(parsed.Spec.HealthCheckExprs) != 1 {
		return fmt.Errorf("%s: one of healthCheckExprs expected, found %d", kustomization, len(parsed.Spec.HealthCheckExprs))
	}
	exprs, err := cel.NewStatusEvaluator(&parsed.Spec.HealthCheckExprs[0].HealthCheckExpressions)
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		// Through JSON, as from an API server: whole numbers are int64 then.
		json, err := yaml.YAMLToJSON(text)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(json); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		byRules, err := status.Compute(object)
		if err != nil {
			return fmt.Errorf("%s: kstatus: %w", file, err)
		}
		byExprs, err := exprs.Evaluate(context.Background(), object)
		if err != nil {
			return fmt.Errorf("%s: CEL: %w", file, err)
		}
		fmt.Printf("%s\t%s\n", byRules.Status, byExprs.Status)
	}
	return nil
}

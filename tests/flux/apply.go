package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// The names that kustomize-controller 1.9.6 goes by, and the settings that it applies with; they are in its method `apply`
// (internal/controller/kustomization_controller.go), which no other module may import.
const (
	controller = "kustomize-controller"
	group      = "kustomize.toolkit.fluxcd.io"
)

func options() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.ExclusionSelector = map[string]string{group + "/reconcile": "disabled", group + "/ssa": "Ignore"}
	options.IfNotPresentSelector = map[string]string{group + "/ssa": "IfNotPresent"}
	options.ForceSelector = map[string]string{group + "/force": "enabled"}
	// Prefixes: the fields of such a manager become the controller's own, and those that are not in git are then removed.
	options.Cleanup.FieldManagers = []ssa.FieldManager{
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
		{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
		{Name: controller, OperationType: metav1.ManagedFieldsOperationUpdate},
	}
	options.Cleanup.Exclusions = map[string]string{group + "/ssa": "Merge"}
	return options
}

func apply(ctx context.Context, kustomizations []string, manifests io.Reader) error {
	objects, err := utils.ReadObjects(manifests)
	if err != nil {
		return err
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		return err
	}
	for _, kustomization := range kustomizations {
		var parsed struct {
			Spec struct {
				CommonMetadata struct {
					Annotations map[string]string `json:"annotations"`
					Labels      map[string]string `json:"labels"`
				} `json:"commonMetadata"`
			} `json:"spec"`
		}
		text, err := os.ReadFile(kustomization)
		if err != nil {
			return err
		}
		if err := yaml.Unmarshal(text, &parsed); err != nil {
			return fmt.Errorf("%s: %w", kustomization, err)
		}
		utils.SetCommonMetadata(objects, parsed.Spec.CommonMetadata.Labels, parsed.Spec.CommonMetadata.Annotations)
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return err
	}
	cluster, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	manager := ssa.NewResourceManager(cluster, nil, ssa.Owner{Field: controller, Group: group})
	manager.SetOwnerLabels(objects, "connections", "flux-system")
	changes, err := manager.ApplyAllStaged(ctx, objects, options())
	if err != nil {
		return err
	}
	for _, change := range changes.Entries {
		fmt.Println(change.String())
	}
	return nil
}

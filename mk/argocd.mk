# A real Argo CD.

.PHONY: test-argocd
test-argocd: control-plane-build ## have the Argo CD on the cluster of KUBECONFIG sync everything (OPERATOR_IMAGE, SIMULATOR_IMAGE)
	tests/argocd/run

# The image on a real cluster.

.PHONY: e2e
e2e: control-plane-build ## the image on the cluster of KUBECONFIG, from build to uninstall (LOAD_IMAGE='kind load docker-image')
	tests/e2e/run

"""From weights to a bundle: ONNX graphs, the manifest, and the torch engine for scoring."""

"""The trainable assemblies: they meet mmengine, the parts do not."""

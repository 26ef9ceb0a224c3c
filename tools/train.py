"""What ``mim train segkit CONFIG`` and torchrun start."""

from segkit.cli.train import main

main()

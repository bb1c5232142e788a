"""People in pictures: OpenPose's network by controlnet_aux, and BlazePose's two as graphs that torch runs."""

"""Finds the data set class for the name of a format in a configuration or on the command line."""

from typing import TypeAlias

from .deepfashion import DeepFashionData
from .folder import FolderData
from .market1501 import MarketData

DataSet: TypeAlias = DeepFashionData | MarketData | FolderData

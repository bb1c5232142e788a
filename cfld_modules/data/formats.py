"""The data sets that a configuration or the command line may name by its format."""

from typing import TypeAlias

from .deepfashion import DeepFashionData
from .folder import FolderData
from .market1501 import MarketData

DataSet: TypeAlias = DeepFashionData | MarketData | FolderData

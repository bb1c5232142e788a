"""All data sets, by the format a configuration or command line names."""

from typing import TypeAlias

from .deepfashion import DeepFashionData
from .folder import FolderData
from .mannequins import MannequinData
from .market1501 import MarketData

DataSet: TypeAlias = DeepFashionData | MarketData | FolderData | MannequinData

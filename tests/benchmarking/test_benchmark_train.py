"""What `benchmark train` counts and measures, against closed forms."""

import torch
from torch.nn import functional as F

from artmodels.benchmarking.train import OperationCounter, measure_peak


def test_operations_are_counted_there_and_back_again():
    x, w = torch.randn(5, 7, requires_grad=True), torch.randn(7, 3, requires_grad=True)
    with OperationCounter() as counter:
        product = x @ w
    assert counter.total == 2 * 5 * 7 * 3
    with OperationCounter() as counter:
        product.sum().backward()
    assert counter.total == 2 * (2 * 5 * 7 * 3)  # one product for each of the two gradients
    picture, kernel = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randn(4, 3, 3, 3)
    with OperationCounter() as counter:
        seen = F.conv2d(picture, kernel, padding=1)
        torch.autograd.grad(seen.sum(), picture)  # at a leaf, as at a painting
    assert counter.total == 2 * (2 * 2 * 8 * 8 * 4 * 3 * 9)


def test_the_peak_is_that_of_a_product():
    assert 1e8 < measure_peak(torch.device("cpu"), "fp32") < 1e14

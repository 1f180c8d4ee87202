"""DiffAugment (arXiv:2006.10738): the same random changes for real and generated pictures, with gradients.

A discriminator that sees only augmented pictures cannot memorise a small collection; the generator learns nothing of
the augmentations, because real pictures carry them too.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

TRANSLATION = 0.125  # of the side, at most
CUTOUT = 0.5  # side of the square, of the picture's
CHANGES = 13  # random numbers that decide how a picture is changed
ADAPTING_IMAGES = 100_000  # in which an adapted share goes all the way from 0 to 1


def change(pictures: Tensor, numbers: Tensor, zoom: float, share: float) -> Tensor:
    """Zoom in and augment pictures `[N, 3, H, W]` in [-1, 1] as their random numbers `[N, CHANGES]` in [0, 1) say.

    A painting with the numbers of a real picture is changed just as that picture is.
    """
    pictures = zoom_in(pictures, numbers[:, :3], zoom) if zoom else pictures
    return diff_augment(pictures, numbers[:, 3:], share)


def zoom_in(pictures: Tensor, numbers: Tensor, share: float) -> Tensor:
    """A `share` (0 to 1) of the pictures `[N, 3, H, W]` as a random quarter of each at twice its size.

    `numbers` `[N, 3]` in [0, 1) draw them. A frozen network is half blind to what is as small as a pixel; enlarged,
    brushwork is judged too.
    """
    _, _, height, width = pictures.shape
    top, left = ((numbers[:, i] * (side - side // 2 + 1)).long() for i, side in enumerate((height, width)))
    part = crop(pictures, top, left, height // 2, width // 2)
    enlarged = F.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)
    return torch.where(numbers[:, 2, None, None, None] < share, enlarged, pictures)


def diff_augment(pictures: Tensor, numbers: Tensor, share: float = 1.0) -> Tensor:
    """Colour, translation and cutout of pictures `[N, 3, H, W]` in [-1, 1], by `numbers` `[N, 10]` in [0, 1).

    Each of the three changes is made to a `share` (0 to 1) of the pictures, by lot. Random numbers are drawn on the
    CPU, so they do not depend on the device.
    """

    def some(changed: Tensor, column: int) -> Tensor:
        return changed if share >= 1 else torch.where(numbers[:, column, None, None, None] < share, changed, pictures)

    pictures = some(jitter_colour(pictures, numbers[:, 0], numbers[:, 1], numbers[:, 2]), 7)
    pictures = some(translate(pictures, numbers[:, 3], numbers[:, 4]), 8)
    return some(cut_out(pictures, numbers[:, 5], numbers[:, 6]), 9)


@dataclass
class AugmentShare:
    """The share of pictures that is augmented, kept as it is or adapted to how sure the discriminator is.

    Adaptive augmentation (arXiv:2006.06676, r_t): where the mean sign of the discriminator's logits of training
    pictures, from -1 to 1, is above the target, the share rises, else it falls; from 0 to 1 it takes 100,000 images. A
    target of 0.6 is met where it takes 80 % of them for real; one of 0 keeps the share as it is.
    """

    share: float
    target: float
    signs: Tensor | float = 0.0  # sum of the mean signs of real logits, over the steps since the share was last adapted
    steps: int = 0

    def see(self, real_sign: Tensor) -> None:
        """Count a step's mean sign of the real logits, in -1..1; nothing waits for the device."""
        if self.target > 0:
            self.signs, self.steps = self.signs + real_sign, self.steps + 1

    def adapt(self, mean_sign: float, images: int) -> None:
        """Move by `images` shown since the last time, towards what brings the mean sign to the target."""
        move = images / ADAPTING_IMAGES * (1 if mean_sign > self.target else -1)
        self.share = min(max(self.share + move, 0.0), 1.0)
        self.signs, self.steps = 0.0, 0

    def to_json(self) -> dict[str, float]:
        return {"share": self.share, "signs": float(self.signs), "steps": self.steps}


def mirror_half(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """About half of the pictures `[N, 3, H, W]`, drawn by lot, left to right: twice the pictures, where that is art."""
    chosen = half_of(len(pictures), generator).to(pictures.device)
    return torch.where(chosen[:, None, None, None], pictures.flip(3), pictures)


def half_of(count: int, generator: torch.Generator) -> Tensor:
    """About half of so many, drawn by lot: booleans `[count]`."""
    return torch.rand(count, generator=generator) < 0.5


def jitter_colour(pictures: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Brightness by -0.5 to 0.5, saturation by a factor of 0 to 2, contrast by 0.5 to 1.5, from `[N]` in [0, 1)."""
    pictures = pictures + (brightness - 0.5).view(-1, 1, 1, 1)
    grey = pictures.mean(dim=1, keepdim=True)
    pictures = torch.lerp(grey, pictures, (saturation * 2).view(-1, 1, 1, 1))
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, pictures, (contrast + 0.5).view(-1, 1, 1, 1))


def translate(pictures: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift by whole pixels, up to an eighth of the side each way, grey (0) moving in; `[N]` in [0, 1)."""
    _, _, height, width = pictures.shape
    reach_y, reach_x = int(height * TRANSLATION + 0.5), int(width * TRANSLATION + 0.5)
    shift_y = (down * (2 * reach_y + 1)).long()  # 0 .. 2 * reach
    shift_x = (right * (2 * reach_x + 1)).long()
    return crop(F.pad(pictures, (reach_x, reach_x, reach_y, reach_y)), shift_y, shift_x, height, width)


def crop(pictures: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """Of each picture the part `[N, C, height, width]` that begins at its `top` and `left`, whole pixels `[N]`."""
    count, channels, _, side = pictures.shape
    rows = torch.arange(height, device=pictures.device) + top[:, None]  # [N, height]
    columns = torch.arange(width, device=pictures.device) + left[:, None]
    places = (rows[:, :, None] * side + columns[:, None, :]).flatten(1)
    taken = pictures.flatten(2).gather(2, places[:, None].expand(-1, channels, -1))
    return taken.view(count, channels, height, width)


def cut_out(pictures: Tensor, centre_y: Tensor, centre_x: Tensor) -> Tensor:
    """Set a square of half the side to grey (0), its centre anywhere in the picture; `[N]` in [0, 1)."""
    _, _, height, width = pictures.shape
    rows = torch.arange(height, device=pictures.device) - (centre_y * height).long()[:, None]  # [N, H]
    columns = torch.arange(width, device=pictures.device) - (centre_x * width).long()[:, None]
    inside_y = (rows >= -int(height * CUTOUT / 2)) & (rows < int(height * CUTOUT / 2))
    inside_x = (columns >= -int(width * CUTOUT / 2)) & (columns < int(width * CUTOUT / 2))
    hole = inside_y[:, :, None] & inside_x[:, None, :]  # [N, H, W]
    return pictures.masked_fill(hole[:, None], 0.0)

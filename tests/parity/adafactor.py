"""Adafactor as T5X runs it, a second time and on its own: the test's yardstick for the program's."""

import torch


class Adafactor:
    def __init__(self, parameter, learning_rate, initial_step=0, step_offset=0, scale_by_parameter=False,
                 weight_decay=1e-5, decay=0.8, clip=1.0, smallest_factored=128):
        self.p = parameter
        self.rate = learning_rate
        self.step_number = initial_step
        self.offset = step_offset
        self.scale_by_parameter = scale_by_parameter
        self.weight_decay = weight_decay
        self.decay = decay
        self.clip = clip
        self.factored = parameter.ndim == 2 and min(parameter.shape) >= smallest_factored
        rows, columns = parameter.shape
        self.row = torch.zeros(rows)
        self.column = torch.zeros(columns)
        self.full = torch.zeros(rows, columns)

    @torch.no_grad()
    def step(self, gradient):
        t = self.step_number - self.offset
        beta = 1.0 - (t + 1.0) ** -self.decay
        square = gradient * gradient + 1e-30
        if self.factored:
            self.row = beta * self.row + (1 - beta) * square.mean(1)
            self.column = beta * self.column + (1 - beta) * square.mean(0)
            second = torch.outer(self.row, self.column) / self.row.mean()
        else:
            self.full = beta * self.full + (1 - beta) * square
            second = self.full
        update = gradient / second.sqrt()
        update = update / max(1.0, root_mean_square(update) / self.clip)
        rate = self.rate * (max(1e-3, root_mean_square(self.p)) if self.scale_by_parameter else 1.0)
        self.p.copy_((1 - self.weight_decay) * self.p - rate * update)
        self.step_number += 1


def root_mean_square(x):
    return x.square().mean().sqrt().item()

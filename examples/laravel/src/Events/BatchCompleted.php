<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

use Carbon\CarbonImmutable;

/** Every message of a batch has its final state. (`batch.completed`) */
final class BatchCompleted extends OpenWaEvent
{
    public ?string $batchId;

    public ?string $name;

    /** @var array<string, int> */
    public array $counts;

    public ?float $replyShare;

    public ?CarbonImmutable $estimatedAt;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->batchId = $this->text('batch_id');
        $this->name = $this->text('name');
        $this->counts = $this->map('counts');
        $this->replyShare = $this->real('reply_share');
        $this->estimatedAt = $this->time('estimated_at');
    }
}

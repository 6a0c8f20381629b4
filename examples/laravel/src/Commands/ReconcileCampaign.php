<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Commands;

use Illuminate\Console\Command;
use OpenWaManager\Laravel\Exceptions\OpenWaException;
use OpenWaManager\Laravel\Models\Campaign;
use OpenWaManager\Laravel\Services\CampaignScheduler;

/** For a time in which no events came through: asks the manager what became of each message of a campaign. */
final class ReconcileCampaign extends Command
{
    protected $signature = 'wa:reconcile {campaign : its id}';

    protected $description = 'Compare the messages of a campaign with what the manager knows of them';

    public function handle(CampaignScheduler $campaigns): int
    {
        $campaign = Campaign::findOrFail($this->argument('campaign'));
        try {
            $campaigns->reconcile($campaign);
        } catch (OpenWaException $refusal) {
            $this->error($refusal->getMessage());

            return 1;
        }
        foreach ($campaign->counts() as $status => $count) {
            $this->line("$count $status");
        }

        return 0;
    }
}
